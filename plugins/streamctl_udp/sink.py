"""Sends a stream in datagrams, at the pace of its own clock."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady, StreamctlError
from streamctl.media.packet import Format
from streamctl.net.udp_send import Transmission, sending
from streamctl_udp import options as keys
from streamctl_udp.address import destination
from streamctl_udp.follow import Follower
from streamctl_udp.wire.constant import ConstantRate
from streamctl_udp.wire.cut import Cutter
from streamctl_udp.wire.pace import Pacer
from streamctl_udp.wire.rtp import RtpWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.net.udp_send import UdpSender
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL

STEP_S = 0.005
"""What is due within it leaves together: at most 200 wake-ups a second."""
HOLD_S = 0.04
"""How long packets that don't fill a datagram wait for others."""
AHEAD_S = 0.5
"""What is planned beyond the delay; the rest waits in the lane, which is shared and bounded."""


LUMP_BYTES = 32_768
"""What is taken from the lane at once."""
EVERYTHING = 1 << 62
"""What a lane holds at first must be seen whole, to tell how old it is."""


class UdpSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink` and ``Measured``."""

    wants = Format.MPEGTS
    left_out = ""
    """Everything that the lane holds is sent."""

    def __init__(self, url: StreamURL, options: keys.UdpPushOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        self.url = url
        self.ctx = ctx
        self.options = options = keys.of_push(url, options, ctx.log.warning)
        self.transmission = Transmission(
            destination(url), options.interface, options.ttl, options.loopback
        )
        self.pacer = Pacer(options.delay_ms / 1000)
        self.constant = ConstantRate(options.bitrate_kbps * 1000) if options.bitrate_kbps else None
        random = secrets.randbits(48)
        writer = RtpWriter(random >> 16, random & 0xFFFF) if options.rtp else None
        self.cutter = Cutter(options.packet_bytes, writer)
        self.sender: UdpSender | None = None
        self._more = anyio.Event()
        """Set when the reader has brought something, or has ended."""
        self._ended = False

    @property
    def bytes_sent(self) -> int:
        """Bytes that the kernel took."""
        return self.sender.bytes_sent if self.sender else 0

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Send until the stream ends; whether anybody receives can't be known.

        Raises:
            ConnectionFailed: the destination can't be reached, or no longer.
        """
        failure: StreamctlError | None = None
        async with sending(self.transmission) as self.sender:
            connected()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, cursor)
                try:
                    await self._send(self.sender)
                except StreamctlError as error:
                    failure = error
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def measure(self) -> Mapping[str, object]:
        """Datagrams, and what became of them as far as it is known."""
        sender, constant = self.sender, self.constant
        if sender is None:
            return {}
        found: dict[str, object] = {
            "datagrams": sender.datagrams,
            "dropped": sender.dropped,
            "refused": sender.refused,
            "clock_jumps": self.pacer.jumps,
        }
        if constant is not None:
            found["null_packets"] = constant.nulls
            found["packets_without_room"] = constant.dropped
        return found

    async def _read(self, cursor: Cursor) -> None:
        """Bring what the lane gets, as long as not too much is planned."""
        clock, pacer, follower = self.ctx.clock, self.pacer, Follower()
        parts = follower.begin(cursor.take(EVERYTHING))
        while True:
            for part in parts:
                pacer.feed(part, clock.now())
            self._more.set()
            surplus = pacer.ahead(clock.now()) - pacer.delay_s - AHEAD_S
            if surplus > 0:
                await clock.sleep(surplus)
            try:
                await cursor.wait()
            except NotReady:
                break
            parts = follower.take(cursor.take(LUMP_BYTES))
        pacer.finish(clock.now())
        self._ended = True
        self._more.set()

    async def _send(self, sender: UdpSender) -> None:
        """Send what becomes due until all is sent.

        Raises:
            ConnectionFailed: the destination can't be reached any more.
        """
        clock, pacer, cutter, constant = self.ctx.clock, self.pacer, self.cutter, self.constant
        while True:
            now = clock.now()
            runs = pacer.take(now)
            if constant is not None:
                runs = constant.fill(runs, now)
            datagrams = cutter.cut(runs)
            if cutter.rest and now - cutter.since > HOLD_S:
                datagrams += cutter.flush()
            sender.send(datagrams)
            due = now if constant is not None or cutter.rest else pacer.next_due()
            if self._ended and pacer.idle:
                sender.send(cutter.flush())
                return
            if due is None:
                self._more = anyio.Event()
                await self._more.wait()
            else:
                await clock.sleep(max(STEP_S, due - now))
