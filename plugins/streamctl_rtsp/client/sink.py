"""Pushes a stream to another RTSP server: ANNOUNCE, SETUP, RECORD.

Reads access units rather than the shared rtp lane: a push has numbers of its own, and any server's
channels or ports. Tracks that can no longer be described as they were are announced anew.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from streamctl.media.packet import Format
from streamctl.media.rtp.announced import left_out
from streamctl.net.paced_rtp import landed
from streamctl_rtsp.client.announcement import Announcement
from streamctl_rtsp.client.carriage import Carriage, Wish
from streamctl_rtsp.client.connection import opened
from streamctl_rtsp.client.dialogue import Way
from streamctl_rtsp.client.options import destination_of
from streamctl_rtsp.client.route import Route
from streamctl_rtsp.client.sender import Sender
from streamctl_rtsp.wire.message import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.media.packet import Init
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL
    from streamctl_rtsp.client.options import PushOptions


class RtspSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink` and ``Measured``."""

    wants = Format.PACKETS

    def __init__(self, url: StreamURL, options: PushOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: it names no host, or its transport is impossible.
        """
        self.url = url
        self.options = options
        self.ctx = ctx
        self.upstream, kinds = destination_of(url, options.transport)
        self.wish = Wish(
            tuple(kind for kind in kinds if kind != "multicast"),
            explicit=options.transport != "auto",
            record=True,
        )
        self.left_out = ""
        """Names of the tracks that are not sent, as RTP can't carry them."""
        self._sent = 0
        self._sender: Sender | None = None

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that were written so far."""
        return self._sent + (self._sender.bytes_sent if self._sender else 0)

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Publish to the server until the stream ends.

        Raises:
            ConnectionFailed: the server is not reachable, refused or closed.
            RemoteProtocolError: the server broke the protocol.
            ConfigError: `tls_ca` can't be used.
            Unsupported: RTP can't carry what the stream shows.
        """
        way = Way(self.upstream)
        while (init := await landed(cursor)) is not None:
            announcement = self._announcement(init)
            if await self._publish(announcement, way, cursor, connected):
                return

    def measure(self) -> Mapping[str, object]:
        """How media travels, and what became of it as far as the server says so."""
        return self._sender.measure() if self._sender is not None else {}

    def _heed(self, track: int, data: memoryview) -> None:
        """Take a report of the server."""
        del track
        if self._sender is not None:
            self._sender.publication.heed(data)

    def _announcement(self, init: Init) -> Announcement:
        """What can be said of a stream's tracks.

        Raises:
            Unsupported: nothing of what it shows.
        """
        announcement = Announcement.of(init)
        names = left_out(init, announcement.told)
        if names and names != self.left_out:
            self.ctx.log.warning(
                "push to %s: RTSP can't carry %s: left out", self.url.redacted, names
            )
        self.left_out = names
        return announcement

    async def _publish(
        self,
        announcement: Announcement,
        way: Way,
        cursor: Cursor,
        connected: Callable[[], None],
    ) -> bool:
        """Send for as long as the announcement is true; whether that was to the end."""
        ctx = self.ctx
        route = Route(self.options, ctx.handshake_s)
        async with (
            opened(way.upstream, ctx.clock, ctx.handshake_s, route.connect) as client,
            AsyncExitStack() as stack,
        ):
            carriage = Carriage(client, self.wish, stack, ignore, self._heed)
            try:
                location = await announcement.record(client, carriage)
                if location:
                    way.follow(location)
                    return False
                connected()
                sender = self._sender = Sender(announcement, client, carriage, ctx)
                try:
                    return await sender.run(cursor)
                finally:
                    sender.stop()
                    self._sent, self._sender = self.bytes_sent, None
            finally:
                if client.session:
                    client.say(Method.TEARDOWN, client.upstream.url)


def ignore(track: int, data: memoryview) -> None:
    """Who takes media sends none."""
    del track, data
