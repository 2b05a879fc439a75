"""Receives MPEG-TS from datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.net.udp import failure, receiving
from streamctl.net.udp_socket import Reception
from streamctl_udp import options as keys
from streamctl_udp.address import address, sender
from streamctl_udp.wire.datagram import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.net.udp import Receiver
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL

LOOK_S = 10.0
"""Losses are told this often, if there are new ones."""


class UdpSource:
    """Implements :class:`streamctl.sdk.endpoints.Source` and ``Measured``."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(self, url: StreamURL, options: keys.UdpInputOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        self.url = url
        self.ctx = ctx
        self.options = keys.of_input(url, options, ctx.log.warning)
        self.reception = Reception(
            address(url),
            self.options.interface,
            sender(url, self.options.source),
            self.options.receive_buffer_bytes,
        )
        self.unwrapper = Unwrapper(rtp=self.options.rtp)
        self.receiver: Receiver | None = None
        self._told = 0

    async def run(self, out: EpochWriter) -> None:
        """Receive into the epoch until cancelled: datagrams have no end.

        Raises:
            ConnectionFailed: the address can't be used, or no longer.
            StaleEpoch: the epoch has ended.
        """
        options = self.options
        options.choose(out)
        put, now = out.put_ts, self.ctx.clock.now
        async with receiving(
            self.reception, self.unwrapper.unpack, lambda data: put(data, now())
        ) as receiver:
            self.receiver = receiver
            self._check_buffer(receiver)
            while not receiver.ended.is_set():
                with anyio.move_on_after(LOOK_S):
                    await receiver.ended.wait()
                self._tell_losses(receiver)
        raise failure(receiver, self.url.redacted)

    def measure(self) -> Mapping[str, object]:
        """Datagrams, and where some were lost."""
        receiver, unwrapper = self.receiver, self.unwrapper
        if receiver is None:
            return {}
        found: dict[str, object] = {
            "datagrams": receiver.datagrams,
            "receive_buffer_bytes": receiver.buffer_bytes,
            "kernel_drops": receiver.kernel_drops,
            "overruns": receiver.overruns,
        }
        if self.options.source:
            found["other_senders"] = receiver.refused
        if unwrapper.wrapped or unwrapper.invalid:
            sequence = unwrapper.sequence
            found["rtp"] = {
                "packets": unwrapper.wrapped,
                "gaps": sequence.gaps,
                "lost": sequence.lost,
                "late": sequence.late,
                "restarts": sequence.restarts,
                "invalid": unwrapper.invalid,
            }
        return found

    def _check_buffer(self, receiver: Receiver) -> None:
        """Warn of a receive buffer that is smaller than what was asked for."""
        wanted = self.reception.buffer_bytes
        if receiver.buffer_bytes < wanted:
            self.ctx.log.warning(
                "%s: the kernel gives a receive buffer of %d of %d bytes; "
                "raise `net.core.rmem_max`, or grant CAP_NET_ADMIN",
                *(self.url.redacted, receiver.buffer_bytes, wanted),
            )

    def _tell_losses(self, receiver: Receiver) -> None:
        """Warn of datagrams that were dropped on this machine since the last time."""
        dropped = receiver.kernel_drops + receiver.overruns
        if dropped > self._told:
            self.ctx.log.warning(
                "%s: %d datagrams dropped on this machine: %d by the kernel, %d by us",
                *(self.url.redacted, dropped, receiver.kernel_drops, receiver.overruns),
            )
        self._told = dropped
