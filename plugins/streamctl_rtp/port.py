"""A port of an input's own: packets on it, and their reports on the next one."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.media.rtp.packet import is_control
from streamctl.net.udp_named import receiving_named
from streamctl_rtp.peers import Peers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from streamctl.net.udp import Receiver
    from streamctl.net.udp_named import Named
    from streamctl.net.udp_socket import Reception
    from streamctl.sdk.context import Context
    from streamctl_rtp.wire.intake import Intake


class Port:
    """One port of an input, while it is open."""

    def __init__(
        self, number: int, intake: Intake, ctx: Context, deliver: Callable[[float], None]
    ) -> None:
        self.number = number
        self.intake = intake
        self.peers = Peers()
        self.media: Receiver | None = None
        self.reports: Receiver | None = None
        """None if the next port can't be had."""
        self._now = ctx.clock.now
        self._deliver = deliver

    def take_media(self, datagrams: Iterator[Named]) -> None:
        """Take what has come to the port."""
        now = self._now()
        intake, peers, number = self.intake, self.peers, self.number
        for name, data in datagrams:
            if is_control(data):
                intake.feed_rtcp(data, now)
                peers.reports, peers.muxed = name, True
            else:
                intake.feed(data, now, number)
                peers.media = name
        self._deliver(now)

    def take_reports(self, datagrams: Iterator[Named]) -> None:
        """Take what has come to the next port."""
        now = self._now()
        for name, data in datagrams:
            self.intake.feed_rtcp(data, now)
            self.peers.reports, self.peers.muxed = name, False
        self._deliver(now)

    def answer(self, data: bytes) -> None:
        """Send a report to the sender."""
        if self.media is not None:
            self.peers.answer(data, self.media, self.reports)


@asynccontextmanager
async def opened(
    ports: list[Port], reception: Reception, ctx: Context
) -> AsyncIterator[list[Receiver]]:
    """Receive on ports of one address for as long as the context lasts.

    The next port of each is for its reports, unless it is another of the ports, or taken.

    Raises:
        ConnectionFailed: one of the ports can't be used.
    """
    host = reception.address[0]
    taken = {port.number for port in ports}
    async with AsyncExitStack() as stack:
        for port in ports:
            where = replace(reception, address=(host, port.number))
            port.media = await stack.enter_async_context(receiving_named(where, port.take_media))
            following = port.media.port + 1
            if following in taken or following > 0xFFFF:
                continue
            where = replace(reception, address=(host, following))
            try:
                port.reports = await stack.enter_async_context(
                    receiving_named(where, port.take_reports)
                )
            except ConnectionFailed as error:
                ctx.log.warning("rtp: no reports of the sender: %s", error.message)
        yield [
            receiver
            for port in ports
            for receiver in (port.media, port.reports)
            if receiver is not None
        ]
