"""From the packets lane to lanes of tags: each access unit becomes one shared chunk of bytes.

Timestamps count from the start of the lane, which lives as long as somebody reads it; an epoch
does not move the base, so players see one timeline. At a new epoch, and whenever tracks change,
metadata and sequence headers go out again in front of the next access unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    InitChange,
    Item,
    Kind,
    Packet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.media.flv_packer import TagPacker

BASE_LEAD = TIMESCALE
"""The lane starts at 1 s, not at 0: the first random-access point may be followed by audio that
belongs before it (up to 0.9 s in broadcast multiplexes), and timestamps can't be negative."""
AUDIO_RAP_SPACING = TIMESCALE // 2
"""Without video, players join at the first audio message of each 500 ms."""


class TagConverter:
    """Implements :class:`streamctl.sdk.plugin.Converter` with the packer of a format."""

    def __init__(self, make: Callable[[int], TagPacker], first_timestamp: int = BASE_LEAD) -> None:
        self.make = make
        """A packer for the media time that becomes 0 ms."""
        self.first_timestamp = first_timestamp
        """Where on the wire's timeline the lane starts, 90 kHz."""
        self.packer: TagPacker | None = None
        self._prefix_due = False
        self._init: Boundary | InitChange | None = None
        self._last_rap: int | None = None

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The chunks for these items; boundaries and changes of tracks pass through."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Packet):
                chunk = self._chunk(item)
                if chunk is not None:
                    out.append(chunk)
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

    def _chunk(self, packet: Packet) -> Chunk | None:
        packer = self.packer or self._start(packet)
        if packer is None:
            return None
        data = packer.message(packet)
        if not data:
            return None
        time = packet.dts
        video = packer.video
        is_video = video is not None and packet.track == video.id
        rap = packet.kind is Kind.KEY if video is not None else self._audio_rap(time)
        join = packer.headers(time) if rap else b""
        if self._prefix_due:
            self._prefix_due = False
            data = (join or packer.headers(time)) + data
            # The headers stand in the chunk already; a joiner must not get them twice.
            join = b""
        flush = is_video or video is None
        return Chunk(data, time, time, rap, flush, packet.epoch, join)

    def _start(self, packet: Packet) -> TagPacker | None:
        """Set the base by the first packet."""
        if self._init is None:
            return None
        self.packer = self.make(packet.dts - self.first_timestamp)
        self.packer.use(self._init.init)
        return self.packer

    def _audio_rap(self, time: int) -> bool:
        if self._last_rap is not None and time - self._last_rap < AUDIO_RAP_SPACING:
            return False
        self._last_rap = time
        return True
