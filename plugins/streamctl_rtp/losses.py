"""What this machine dropped of what came to some ports: counted, and told in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.net.udp import Receiver
    from streamctl.sdk.context import Context

LOOK_S = 10.0
"""How often somebody is told."""


class Losses:
    """Watches the receivers of one input, or of the listener."""

    def __init__(self, name: str, ctx: Context) -> None:
        """``name`` is whose ports they are, for the log."""
        self.name = name
        self.receivers: Sequence[Receiver] = ()
        self._ctx = ctx
        self._told = 0
        self._look_at = 0.0

    def watch(self, receivers: Sequence[Receiver], wanted_bytes: int) -> None:
        """Begin; tell of receive buffers that are smaller than what was asked for."""
        self.receivers = receivers
        self._look_at = self._ctx.clock.now() + LOOK_S
        smallest = min(one.buffer_bytes for one in receivers)
        if smallest < wanted_bytes:
            self._ctx.log.warning(
                "%s: the kernel gives a receive buffer of %d of %d bytes; "
                "raise `net.core.rmem_max`, or grant CAP_NET_ADMIN",
                *(self.name, smallest, wanted_bytes),
            )

    def look(self, now: float) -> None:
        """Warn of datagrams that were dropped since the last time, if that was long ago."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        kernel, ours = self._counts()
        if kernel + ours > self._told:
            self._ctx.log.warning(
                "%s: %d datagrams dropped on this machine: %d by the kernel, %d by us",
                *(self.name, kernel + ours, kernel, ours),
            )
        self._told = kernel + ours

    def measure(self) -> dict[str, object]:
        """The counters; nothing before there are ports."""
        if not self.receivers:
            return {}
        kernel, ours = self._counts()
        datagrams = sum(one.datagrams for one in self.receivers)
        return {"datagrams": datagrams, "kernel_drops": kernel, "overruns": ours}

    def _counts(self) -> tuple[int, int]:
        ports = self.receivers
        return sum(one.kernel_drops for one in ports), sum(one.overruns for one in ports)
