"""From paced packets to datagrams, each full but for those that would wait too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl_udp.wire.pace import PACKET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl_udp.wire.pace import Run
    from streamctl_udp.wire.rtp import RtpWriter


class Cutter:
    """Cuts packets into datagrams of one size; RTP headers go before them if there is a writer."""

    def __init__(self, size: int, rtp: RtpWriter | None = None) -> None:
        self.size = size
        self.rtp = rtp
        self.rest = b""
        """Packets that are too few for a datagram."""
        self.since = 0.0
        """When the first of them was due."""

    def cut(self, runs: Iterable[Run]) -> list[bytes]:
        """The datagrams that these packets fill."""
        found: list[bytes] = []
        size = self.size
        for run in runs:
            before = len(self.rest)
            data = self.rest + run.data if before else run.data
            since = self.since if before else run.due
            whole = len(data) - len(data) % size
            for at in range(0, whole, size):
                found.append(self._datagram(data[at : at + size], since))
                since = run.due + run.step * ((at + size - before) // PACKET_BYTES)
            self.rest = data[whole:]
            self.since = since
        return found

    def flush(self) -> list[bytes]:
        """The rest, in a datagram that is not full."""
        rest, self.rest = self.rest, b""
        return [self._datagram(rest, self.since)] if rest else []

    def _datagram(self, data: bytes, due: float) -> bytes:
        return data if self.rtp is None else self.rtp.header(due) + data
