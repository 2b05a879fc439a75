"""Sends a stream as RTP: each track to a port of its own, reports to the next one.

Nobody is asked, so receivers need the session description by another way: from the file that
``sdp`` names, or from the push's status. Those that report are listened to.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError
from streamctl.media.packet import Format
from streamctl.media.rtp.announced import described, left_out
from streamctl.media.rtp.publication import Publication
from streamctl.net.paced_rtp import PacedRtp, landed
from streamctl.net.udp_send import Transmission, sending
from streamctl.net.udp_socket import resolved
from streamctl_rtp import options as keys
from streamctl_rtp.address import LAST_PORT, destination
from streamctl_rtp.announcement import describe, port_of, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.media.packet import Init
    from streamctl.media.rtp.announced import Described
    from streamctl.media.rtp.publication import Datagram
    from streamctl.net.udp_send import UdpSender
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL


class RtpSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink` and ``Measured``."""

    wants = Format.PACKETS

    def __init__(self, url: StreamURL, options: keys.RtpPushOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        self.url = url
        self.ctx = ctx
        self.options = keys.of_push(url, options, ctx.log.warning)
        self.address = destination(url)
        self.left_out = ""
        """Names of the tracks that are not sent, as RTP can't carry them."""
        self.description = b""
        """What receivers have to know; empty before anything is sent."""
        self._ways: list[tuple[UdpSender, UdpSender]] = []
        """Where the media and the reports of each track go."""
        self._publication: Publication | None = None
        """What is being sent."""
        self._sent = 0

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that the kernel took."""
        return self._sent + sum(media.bytes_sent for media, _ in self._ways)

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Send until the stream ends; whether anybody receives can't be known.

        Raises:
            ConnectionFailed: the destination can't be reached, or no longer.
            ConfigError: the description can't be written.
            Unsupported: RTP can't carry what the stream shows.
        """
        host = (await resolved(*self.address))[0]
        while (init := await landed(cursor)) is not None:
            told = self._told(init)
            self.description = describe(told, host, self.address[1])
            if self.options.sdp:
                await write(self.ctx, self.options.sdp, self.description)
            publication = self._publication = Publication(told, init, self.ctx.clock.wall())
            async with AsyncExitStack() as stack:
                await self._open(stack, host, told)
                connected()
                try:
                    if await PacedRtp(publication, self._send, self.ctx.clock).run(cursor):
                        return
                finally:
                    self._send(publication.farewells())
                    self._sent, self._ways = self.bytes_sent, []
                    self._publication = None
            self.ctx.log.warning(
                "push to %s: the stream goes on with other tracks: receivers need the new "
                "session description",
                self.url.redacted,
            )

    def measure(self) -> Mapping[str, object]:
        """Datagrams, what became of them as far as it is known, and the description."""
        self._listen()
        publication = self._publication
        ways = [way for pair in self._ways for way in pair]
        return {
            "datagrams": sum(way.datagrams for way in ways),
            "dropped": sum(way.dropped for way in ways),
            "refused": sum(way.refused for way in ways),
            "tracks": publication.measure() if publication is not None else [],
            "sdp": self.description.decode(),
        }

    def _told(self, init: Init) -> list[Described]:
        """The tracks that are sent.

        Raises:
            Unsupported: nothing of what the stream shows is.
            ConfigError: there are not so many ports.
        """
        told = described(init)
        names = left_out(init, told)
        if port_of(told[-1], self.address[1]) > LAST_PORT:
            raise ConfigError(f"`{self.url.redacted}` leaves no ports for {len(told)} tracks")
        if names and names != self.left_out:
            self.ctx.log.warning(
                "push to %s: RTP can't carry %s: left out", self.url.redacted, names
            )
        self.left_out = names
        return told

    async def _open(self, stack: AsyncExitStack, host: str, told: list[Described]) -> None:
        """Open the ways of the tracks.

        Raises:
            ConnectionFailed: there is no way.
        """
        options = self.options

        async def way(port: int) -> UdpSender:
            where = Transmission((host, port), options.interface, options.ttl, options.loopback)
            return await stack.enter_async_context(sending(where))

        ports = [port_of(track, self.address[1]) for track in told]
        self._ways = [(await way(port), await way(port + 1)) for port in ports]

    def _send(self, datagrams: Sequence[Datagram]) -> None:
        for track, control, data in datagrams:
            self._ways[track][control].send((data,))
            if control:
                # As often as anybody reports, so that nothing piles up.
                self._listen()

    def _listen(self) -> None:
        """Take what receivers have reported."""
        if self._publication is not None:
            for _, reports in self._ways:
                for data in reports.answers():
                    self._publication.heed(data)
