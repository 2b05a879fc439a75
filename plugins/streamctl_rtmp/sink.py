"""Pushes a stream to another RTMP server.

Reads access units rather than the shared rtmp lane: a push starts at 0 ms, in the message stream
that the server gave, and asks for ``@setDataFrame``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import NotReady
from streamctl.media.packet import Boundary, Format, InitChange, Item, Packet, Skipped
from streamctl_rtmp.client import RtmpClient, opened
from streamctl_rtmp.packer import Packer
from streamctl_rtmp.wire.client import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL
    from streamctl_rtmp.options import ClientOptions
    from streamctl_rtmp.wire.events import Event


class RtmpSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink`."""

    wants = Format.PACKETS

    def __init__(self, url: StreamURL, options: ClientOptions, ctx: Context) -> None:
        self.url = url
        self.options = options
        self.ctx = ctx
        self.client = RtmpClient(Role.PUBLISH, url, ignore)

    @property
    def bytes_sent(self) -> int:
        """Bytes of media written so far."""
        return self.client.bytes_sent

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Publish to the server until the stream ends.

        Raises:
            ConnectionFailed: the server is not reachable, refused or closed.
            RemoteProtocolError: the server broke the protocol.
        """
        client = self.client
        async with opened(client, self.url, self.options, self.ctx):
            connected()
            await send(client, cursor)


def ignore(events: Sequence[Event]) -> None:
    """A server says nothing that a push must know beside refusals."""


async def send(client: RtmpClient, cursor: Cursor) -> None:
    """Write media as fast as it comes and the server takes it, until the lane is closed."""
    try:
        messages = Publication(cursor, client.connection.stream_id)
        while True:
            if cursor.at_head():
                await cursor.wait()
            data = messages.pack(cursor.take())
            if data:
                client.write(data)
                await client.writable()
    except NotReady:
        return


class Publication:
    """The messages of one push: its own base of time, and headers where they are due."""

    def __init__(self, cursor: Cursor, stream_id: int) -> None:
        self.cursor = cursor
        self.packer = Packer(base=0, stream_id=stream_id, publishing=True)
        self._based = False
        self._headers_due = True
        self.packer.use(cursor.join())

    def pack(self, items: Sequence[Item]) -> bytes:
        """The bytes of these items.

        Raises:
            NotReady: the cursor was moved and there is nothing to go on with.
        """
        parts: list[bytes] = []
        for item in items:
            if isinstance(item, Packet):
                self._packet(item, parts)
            elif isinstance(item, (Boundary, InitChange)):
                self.packer.use(item.init)
                self._headers_due = True
            elif isinstance(item, Skipped):
                # What was skipped may have held a change of tracks.
                self.packer.use(self.cursor.join())
                self._headers_due = True
                return b"".join(parts)
        return b"".join(parts)

    def _packet(self, packet: Packet, parts: list[bytes]) -> None:
        packer = self.packer
        if not self._based:
            packer.base = packet.dts
            self._based = True
        if packet.dts < packer.base:
            return
        message = packer.message(packet)
        if message and self._headers_due:
            self._headers_due = False
            parts.append(packer.headers(packet.dts))
        parts.append(message)
