"""The segments that viewers can fetch: those the playlist lists, and some that just left it.

RFC 8216 6.2.1 and 6.2.2: sequence numbers rise by one per segment, the discontinuity sequence
rises when a segment with EXT-X-DISCONTINUITY leaves the playlist.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl_hls.segment import Segment

LATE_SEGMENTS = 4
"""Segments that stay fetchable after they left the playlist, for viewers whose copy of it is
old. RFC 8216 6.2.2 wants the whole playlist's duration; that would double the memory for the
sake of viewers who play at the very end of the window."""
MAX_BYTES = 128 * 1024 * 1024
"""Bytes that a stream's segments may hold: 12 segments of 2 s at 40 Mbps, with room. Above it
the window shrinks."""
MIN_TARGETS = 3
"""A live playlist may not become shorter than three target durations (RFC 8216 6.2.2)."""


@dataclass(slots=True)
class Window:
    """Finished segments by age."""

    size: int
    discontinuity_sequence: int
    listed: deque[Segment] = field(default_factory=deque)
    late: deque[Segment] = field(default_factory=deque)
    bytes: int = 0
    """Bytes of all segments that can be fetched."""
    discontinuities: int = 0
    """Discontinuities ever listed."""
    peak_bps: int = 0
    """Highest bit rate of a segment that was ever listed."""
    _by_number: dict[int, Segment] = field(default_factory=dict)

    def add(self, segments: Iterable[Segment], target_s: int) -> None:
        """List new segments; drop what became too old."""
        for segment in segments:
            self.listed.append(segment)
            self._by_number[segment.number] = segment
            self.bytes += segment.size
            self.discontinuities += segment.discontinuity
            if segment.duration >= target_s / 2:
                self.peak_bps = max(self.peak_bps, round(segment.size * 8 / segment.duration))
        while len(self.listed) > self.size and self._long_without_oldest(target_s):
            self._unlist()
        while len(self.late) > LATE_SEGMENTS:
            self._forget()
        while self.bytes > MAX_BYTES:
            if self.late:
                self._forget()
            elif self._long_without_oldest(target_s):
                self._unlist()
            else:
                break

    def get(self, number: int) -> Segment | None:
        """The segment of that number while it can be fetched."""
        return self._by_number.get(number)

    def clear(self) -> None:
        """Let everything go; the discontinuity sequence stays right for what comes."""
        self.discontinuity_sequence += sum(segment.discontinuity for segment in self.listed)
        self.listed.clear()
        self.late.clear()
        self._by_number.clear()
        self.bytes = 0

    @property
    def duration(self) -> float:
        """Seconds that the playlist lists."""
        return sum(segment.duration for segment in self.listed)

    @property
    def average_bps(self) -> int:
        """Mean bit rate of the listed segments."""
        duration = self.duration
        return round(sum(segment.size for segment in self.listed) * 8 / duration) if duration else 0

    def _long_without_oldest(self, target_s: int) -> bool:
        return self.duration - self.listed[0].duration >= MIN_TARGETS * target_s

    def _unlist(self) -> None:
        segment = self.listed.popleft()
        self.discontinuity_sequence += segment.discontinuity
        self.late.append(segment)

    def _forget(self) -> None:
        segment = self.late.popleft()
        del self._by_number[segment.number]
        self.bytes -= segment.size
