"""Reads another stream and writes what it says: one attempt, one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import NotReady, StreamctlError
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Flag,
    Format,
    InitChange,
    Packet,
    Skipped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Init, Item
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor, EpochWriter

LEADING = int(Flag.LEADING)


class CopySource:
    """Implements :class:`streamctl.sdk.endpoints.Source` and ``Patient``."""

    duration_s = 0.0

    def __init__(self, code: str, ctx: Context) -> None:
        self.code = code
        self.ctx = ctx
        self.waiting = ""

    async def run(self, out: EpochWriter) -> None:
        """Deliver for as long as the other stream runs.

        Raises:
            NotFound: there is no such stream.
            StreamctlError: it was stopped, or what it shows now can't follow what it showed.
        """
        streams = self.ctx.streams
        self.waiting = f"stream `{self.code}` is not on air"
        try:
            origin = await streams.ready(self.code)
            transport = origin is Format.MPEGTS
            cursor = streams.open(self.code, Format.MPEGTS if transport else Format.PACKETS)
            self.waiting = ""
            try:
                follower = TransportCopy(out) if transport else PacketCopy(out, self.code)
                await self._follow(cursor, follower)
            finally:
                cursor.close()
        except NotReady:
            raise StreamctlError(f"stream `{self.code}` was stopped") from None

    async def _follow(self, cursor: Cursor, follower: TransportCopy | PacketCopy) -> None:
        follower.begin(await joined(cursor))
        while True:
            items = cursor.take()
            if items:
                follower.take(items, self.ctx.clock.now())
            else:
                await cursor.wait()


class TransportCopy:
    """Passes MPEG-TS on."""

    def __init__(self, out: EpochWriter) -> None:
        self.out = out
        self._landed = True
        """The next random-access chunk must be led by its ``join`` bytes."""
        self._alone = False
        """What leads that chunk can't be decoded."""

    def begin(self, init: Init) -> None:
        """The bytes tell the tracks themselves."""

    def take(self, items: Sequence[Item], now: float) -> None:
        """Write the bytes of what came."""
        parts: list[bytes] = []
        for item in items:
            if isinstance(item, Chunk):
                if item.rap:
                    self._alone, self._landed = self._landed, False
                    parts += (item.join if self._alone else b"", item.lead, item.data)
                elif self._alone and item.flags & LEADING:
                    parts.append(item.join)
                elif not self._landed:
                    parts += (item.lead, item.data)
            elif isinstance(item, Skipped):
                self._landed = True
        if parts:
            self.out.put_ts(b"".join(parts), now)


class PacketCopy:
    """Passes access units on; the bytes are shared."""

    def __init__(self, out: EpochWriter, code: str) -> None:
        self.out = out
        self.code = code
        self._tracks: dict[int, str] = {}

    def begin(self, init: Init) -> None:
        """The tracks are these.

        Raises:
            StreamctlError: they can't go on from those before.
        """
        tracks = {track.id: str(track.codec) for track in init.tracks}
        if not self._tracks.items() <= tracks.items():
            raise StreamctlError(f"stream `{self.code}` shows other tracks now")
        self._tracks = tracks
        self.out.tracks(init.tracks)

    def take(self, items: Sequence[Item], now: float) -> None:
        """Write what came."""
        packets: list[Packet] = []
        for item in items:
            if isinstance(item, Packet):
                packets.append(copied(item))
            elif isinstance(item, Boundary | InitChange):
                if packets:
                    self.out.put(packets, now)
                    packets = []
                self.begin(item.init)
        if packets:
            self.out.put(packets, now)


async def joined(cursor: Cursor) -> Init:
    """Move to a random-access point as soon as there is one.

    Raises:
        NotReady: the stream was stopped.
    """
    while True:
        try:
            return cursor.join()
        except NotReady:
            await cursor.wait()
            cursor.take()


def copied(packet: Packet) -> Packet:
    """A packet of its own with the same bytes: whoever gets it changes its times."""
    return Packet(
        packet.track,
        packet.pts,
        packet.dts,
        packet.kind,
        packet.flags,
        packet.data,
        packet.dur,
    )
