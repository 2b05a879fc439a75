"""Pushes a stream to another RTMP server.

Reads access units rather than the shared rtmp lane: a push starts at 0 ms, in the message stream
that the server gave, and asks for ``@setDataFrame``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import NotReady, Unsupported
from streamctl.media.codecs import TITLES
from streamctl.media.flv_packer import CODECS
from streamctl.media.packet import (
    Boundary,
    Flag,
    Format,
    Init,
    InitChange,
    Item,
    Kind,
    Media,
    Packet,
    Skipped,
)
from streamctl_rtmp.client import opened
from streamctl_rtmp.packer import Packer
from streamctl_rtmp.wire.client import Role
from streamctl_rtmp.wire.enhanced import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL
    from streamctl_rtmp.client import RtmpClient
    from streamctl_rtmp.options import ClientOptions
    from streamctl_rtmp.wire.events import Event

KEY, LEADING = Kind.KEY, int(Flag.LEADING)
"""Looking members up in their enums costs as much as a call."""


class RtmpSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink`."""

    wants = Format.PACKETS

    def __init__(self, url: StreamURL, options: ClientOptions, ctx: Context) -> None:
        self.url = url
        self.options = options
        self.ctx = ctx
        self.client: RtmpClient | None = None
        """The connection that takes media, once there is one."""
        self.left_out = ""
        """Tracks that are not sent, as RTMP can't carry them."""

    @property
    def bytes_sent(self) -> int:
        """Bytes of media written so far."""
        return self.client.bytes_sent if self.client else 0

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Publish to the server until the stream ends.

        Raises:
            ConnectionFailed: the server is not reachable, refused or closed.
            RemoteProtocolError: the server broke the protocol.
            ConfigError: the URL names no stream, or `tls_ca` can't be used.
            Unsupported: RTMP can't carry what the stream shows.
        """
        async with opened(Role.PUBLISH, self.url, self.options, self.ctx, ignore) as client:
            self.client = client
            connected()
            await send(client, cursor, self._leave_out)

    def _leave_out(self, tracks: str) -> None:
        self.left_out = tracks
        if tracks:
            self.ctx.log.warning(
                "push to %s: RTMP can't carry %s: left out", self.url.redacted, tracks
            )


def ignore(events: Sequence[Event]) -> None:
    """A server says nothing that a push must know beside refusals."""


async def send(client: RtmpClient, cursor: Cursor, left_out: Callable[[str], None]) -> None:
    """Write media as fast as it comes and the server takes it, until the lane is closed.

    Raises:
        Unsupported: RTMP can't carry what the stream shows.
    """
    several = Capability.MULTITRACK in client.capabilities
    packer = Packer(
        base=0, stream_id=client.connection.stream_id, publishing=True, multitrack=several
    )
    messages = Publication(cursor, packer, left_out)
    while True:
        if cursor.at_head():
            try:
                await cursor.wait()
            except NotReady:
                return
        data = messages.pack(cursor.take())
        if data:
            client.write(data)
            await client.writable()


class Publication:
    """The messages of one push: its own base of time, and headers where they are due."""

    def __init__(self, cursor: Cursor, packer: Packer, left_out: Callable[[str], None]) -> None:
        """Begin at the newest random-access point, or at the first that comes.

        ``left_out`` is told about tracks that can't be sent, whenever they change.

        Raises:
            Unsupported: RTMP can't carry what the stream shows.
        """
        self.cursor = cursor
        self.packer = packer
        self._left_out = left_out
        self._missing = ""
        self._based = False
        self._headers_due = True
        self._landed = False
        """The cursor stands behind a random-access point, with nothing missing in between."""
        self._fresh = False
        """The next picture is that point."""
        self._alone = False
        """Pictures that lead the newest random-access point can't be decoded."""
        self._land()

    def pack(self, items: Sequence[Item]) -> bytes:
        """The bytes of these items.

        Raises:
            Unsupported: RTMP can't carry what the stream shows from here on.
        """
        parts: list[bytes] = []
        for item in items:
            if isinstance(item, Skipped) or not self._landed:
                self._land()
                break
            if isinstance(item, Packet):
                self._packet(item, parts)
            elif isinstance(item, (Boundary, InitChange)):
                self._use(item.init)
        return b"".join(parts)

    def _land(self) -> None:
        """Move to the newest random-access point: before it there may be a change of tracks.

        A lane has none while one group of pictures is too large for it.
        """
        try:
            init = self.cursor.join()
        except NotReady:
            self._landed = False
        else:
            self._landed = self._fresh = True
            self._use(init)

    def _use(self, init: Init) -> None:
        shown = [track for track in init.tracks if track.media is Media.VIDEO] or init.tracks
        if shown and all(track.codec not in CODECS for track in shown):
            raise Unsupported(f"RTMP can't carry {TITLES[shown[0].codec]}")
        missing = ", ".join(TITLES[t.codec] for t in init.tracks if t.codec not in CODECS)
        if missing != self._missing:
            self._missing = missing
            self._left_out(missing)
        self.packer.use(init)
        self._headers_due = True

    def _packet(self, packet: Packet, parts: list[bytes]) -> None:
        packer = self.packer
        if not self._based:
            packer.base = packet.dts
            self._based = True
        if packet.kind is KEY:
            self._alone, self._fresh = self._fresh, False
        if packet.dts < packer.base or (self._alone and packet.flags & LEADING):
            return
        message = packer.message(packet)
        if message and self._headers_due:
            self._headers_due = False
            parts.append(packer.headers(packet.dts))
        parts.append(message)
