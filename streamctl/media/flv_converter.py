"""From the packets lane to lanes of tags: each access unit becomes one shared chunk of bytes.

Timestamps count from the start of the lane, which lives as long as somebody reads it; an epoch
does not move the base, and neither does a converter that takes the place of another one, so
players see one timeline. At a new epoch, and whenever tracks change,
metadata and sequence headers go out again in front of the next access unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Flag,
    InitChange,
    Item,
    Kind,
    Packet,
    Rejoin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.media.flv_packer import TagPacker

BASE_LEAD = TIMESCALE
"""The lane starts at 1 s, not at 0: the first random-access point may be followed by audio that
belongs before it (up to 0.9 s in broadcast multiplexes), and timestamps can't be negative."""
AUDIO_RAP_SPACING = TIMESCALE // 2
"""Without video, players join at the first audio message of each 500 ms."""

KEY = Kind.KEY
"""Looking a member up in its enum costs as much as a call."""
LEADING = int(Flag.LEADING)
"""As a plain number, since the bits of an enum are slow to test."""


class TagConverter:
    """Implements :class:`streamctl.sdk.plugin.Converter` and ``Heir`` with a format's packer."""

    def __init__(
        self,
        make: Callable[[int], TagPacker],
        first_timestamp: int = BASE_LEAD,
        *,
        last_timestamp: int | None = None,
    ) -> None:
        self.make = make
        """A packer for the media time that becomes 0 ms."""
        self.first_timestamp = first_timestamp
        """Where on the wire's timeline the lane starts, 90 kHz."""
        self.last_timestamp = last_timestamp
        """Where it begins again at the latest, for the sake of viewers who can neither follow a
        timestamp that wraps nor expect another medium than they were told of; None = they can."""
        self.packer: TagPacker | None = None
        self._told = (False, False)
        self._prefix_due = False
        self._init: Boundary | InitChange | None = None
        self._last_rap: int | None = None

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The chunks for these items; boundaries and changes of tracks pass through."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Packet):
                self._pack(item, out)
            elif isinstance(item, (Boundary, InitChange)):
                self._init = item
                self._prefix_due = True
                self._last_rap = None
                if self.packer is not None:
                    self.packer.use(item.init)
                out.append(item)
        return out

    def flush(self) -> list[Item]:
        """Nothing: every access unit leaves at once."""
        return []

    def inherit(self, failed: TagConverter) -> None:
        """Keep the base, and what viewers were told of; the tracks come with the next boundary."""
        self.packer, self._told = failed.packer, failed._told

    def _pack(self, packet: Packet, out: list[Item]) -> None:
        """Add the chunk of one access unit, unless its track is left out."""
        packer = self.packer or self._start(packet)
        if packer is None or not packer.carries(packet.track):
            return
        time = packet.dts
        video = packer.video
        is_video = video is not None and packet.track == video.id
        rap = packet.kind is KEY and is_video if video is not None else self._audio_rap(time)
        if rap and self.last_timestamp is not None:
            self._begin_anew(packer, time, out)
        lead, data = packer.parts(packet)
        join = packer.headers(time) if rap else b""
        if self._prefix_due:
            self._prefix_due = False
            headers = join or packer.headers(time)
            # The headers stand in the chunk already; a joiner must not get them twice.
            join = b""
            if packet.flags & LEADING:
                # Those who go without this picture need them all the same.
                out.append(Chunk(headers, time, time, False, False, packet.epoch))
            else:
                lead = headers + lead
        flush = is_video or video is None
        out.append(Chunk(data, time, time, rap, flush, packet.epoch, join, packet.flags, lead))

    def _begin_anew(self, packer: TagPacker, time: int, out: list[Item]) -> None:
        """Send viewers away where nothing else keeps the promise of their first bytes."""
        assert self.last_timestamp is not None
        media = (packer.video is not None, packer.audio is not None)
        if time - packer.base > self.last_timestamp:
            packer.base = time - BASE_LEAD
            out.append(Rejoin("the timestamps begin anew"))
        elif media != self._told:
            out.append(Rejoin("the stream goes on with other tracks"))
        self._told = media

    def _start(self, packet: Packet) -> TagPacker | None:
        """Set the base by the first packet."""
        if self._init is None:
            return None
        self.packer = self.make(packet.dts - self.first_timestamp)
        self.packer.use(self._init.init)
        self._told = (self.packer.video is not None, self.packer.audio is not None)
        return self.packer

    def _audio_rap(self, time: int) -> bool:
        if self._last_rap is not None and time - self._last_rap < AUDIO_RAP_SPACING:
            return False
        self._last_rap = time
        return True
