"""The segments that viewers can fetch: those the playlist lists, and older ones behind it.

RFC 8216 6.2.1 and 6.2.2: sequence numbers rise by one per segment, the discontinuity sequence
rises when a segment with EXT-X-DISCONTINUITY leaves the playlist, and a segment that left it can
be fetched for as long as the playlist was, since a viewer's copy of it may be that old.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl_hls.segment import Segment

MIN_TARGETS = 3
"""A live playlist may not become shorter than three target durations (RFC 8216 6.2.2)."""
DVR_MARGIN = 4
"""Segments at the old end that the playlist of the history doesn't list any more although they
can be fetched, for viewers whose copy of it is old."""


@dataclass(slots=True)
class Bounds:
    """How much a window keeps."""

    size: int
    """Segments listed."""
    history_s: float
    max_bytes: int
    """In memory."""


@dataclass(slots=True)
class Window:
    """Finished segments by age."""

    bounds: Bounds
    discontinuity_sequence: int
    """Of the newest segment."""
    listed: deque[Segment] = field(default_factory=deque)
    late: deque[Segment] = field(default_factory=deque)
    late_s: float = 0.0
    bytes: int = 0
    """Bytes of all segments that can be fetched."""
    memory_bytes: int = 0
    """The part of them that is held in memory."""
    discontinuities: int = 0
    """Discontinuities ever listed."""
    independent: bool = True
    """Every segment ever listed starts with a random-access point."""
    peak_bps: int = 0
    """Highest bit rate of a segment that was ever listed."""
    _by_name: dict[str, Segment] = field(default_factory=dict)
    _listed_ticks: int = 0
    _late_in_memory: int = 0
    """How many of the late segments hold memory."""

    def add(self, segments: Iterable[Segment], target_s: int) -> list[Segment]:
        """List new segments; return those that became too old and are gone."""
        for segment in segments:
            self.discontinuity_sequence += segment.discontinuity
            segment.discontinuity_sequence = self.discontinuity_sequence
            self.listed.append(segment)
            self._listed_ticks += segment.end - segment.start
            self._by_name[segment.name] = segment
            self.bytes += segment.size
            self.memory_bytes += segment.size
            self.discontinuities += segment.discontinuity
            self.independent &= segment.independent
            if segment.duration >= target_s / 2:
                self.peak_bps = max(self.peak_bps, round(segment.size * 8 / segment.duration))
        return self.trim(target_s)

    def trim(self, target_s: int) -> list[Segment]:
        """Keep to the bounds; return the segments that are gone."""
        while len(self.listed) > self.bounds.size and self._long_without_oldest(target_s):
            self._unlist()
        gone = []
        keep_s = max(self.bounds.history_s, self.duration + target_s)
        while self.late and self.late_s - self.late[0].duration >= keep_s:
            gone.append(self._forget())
        return gone + self.shrink(self.memory_bytes - self.bounds.max_bytes, target_s)

    def shrink(self, wanted: int, target_s: int) -> list[Segment]:
        """Let the oldest segments go until ``wanted`` bytes of memory are free, if they can be."""
        goal = self.memory_bytes - wanted
        gone = []
        while self.memory_bytes > goal:
            if self._late_in_memory:
                gone.append(self._forget())
            elif self.listed and self._long_without_oldest(target_s):
                self._unlist()
            else:
                break
        return gone

    def release(self, segment: Segment) -> None:
        """Let the bytes of a segment go that can be had from elsewhere."""
        if segment.parts and segment.name in self._by_name:
            self.memory_bytes -= segment.size
            self._late_in_memory -= not self.listed or segment.number < self.listed[0].number
        segment.parts = ()
        segment.reply = None

    def get(self, name: str) -> Segment | None:
        """The segment of that name while it can be fetched."""
        return self._by_name.get(name)

    def clear(self) -> list[Segment]:
        """Let everything go; the discontinuity sequence stays right for what comes."""
        gone = [*self.late, *self.listed]
        self.listed.clear()
        self.late.clear()
        self._by_name.clear()
        self.bytes = self.memory_bytes = self._listed_ticks = self._late_in_memory = 0
        self.late_s = 0.0
        return gone

    def dvr(self) -> Sequence[Segment]:
        """What the playlist of the history lists."""
        late = max(0, len(self.late) - DVR_MARGIN)
        return list(chain(list(self.late)[len(self.late) - late :], self.listed))

    @property
    def duration(self) -> float:
        """Seconds that the playlist lists."""
        return self._listed_ticks / TIMESCALE

    @property
    def average_bps(self) -> int:
        """Mean bit rate of the listed segments."""
        duration = self.duration
        return round(sum(segment.size for segment in self.listed) * 8 / duration) if duration else 0

    def _long_without_oldest(self, target_s: int) -> bool:
        return self.duration - self.listed[0].duration >= MIN_TARGETS * target_s

    def _unlist(self) -> None:
        segment = self.listed.popleft()
        self._listed_ticks -= segment.end - segment.start
        self.late.append(segment)
        self.late_s += segment.duration
        self._late_in_memory += bool(segment.parts)

    def _forget(self) -> Segment:
        segment = self.late.popleft()
        self.late_s -= segment.duration
        del self._by_name[segment.name]
        self.bytes -= segment.size
        if segment.parts:
            self.memory_bytes -= segment.size
            self._late_in_memory -= 1
        return segment
