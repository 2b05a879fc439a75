"""Frame rate and groups of pictures, measured from the timestamps of pictures."""

from __future__ import annotations

from collections import deque
from statistics import median

from streamctl.media.mpegts.pes import TIMESTAMP_MASK
from streamctl.media.packet import TIMESCALE

STEPS = 64
"""Distances of pictures that the frame rate is taken from."""
MIN_STEPS = 4
MAX_STEP = 10 * TIMESCALE
"""What is further apart is a jump, not a frame."""


class Cadence:
    """Follows the pictures of one track in decoding order; times are the 33 bits of the wire."""

    def __init__(self) -> None:
        self.pictures = 0
        """All so far."""
        self.gop_pictures = 0
        """Of the last complete group: from one random-access point to the next."""
        self.gop_ticks = 0
        """Its length in decoding time; 0 = not known."""
        self.reorder_ticks = 0
        """The longest time from decoding a picture to showing it."""
        self._steps: deque[int] = deque(maxlen=STEPS)
        self._last: int | None = None
        self._point: tuple[int, int] | None = None
        """Number and decoding time of the last random-access point."""

    @property
    def fps(self) -> float:
        """Frames per second; 0 while there are too few."""
        step = median(self._steps) if len(self._steps) >= MIN_STEPS else 0
        return round(TIMESCALE / step, 3) if step else 0.0

    def add(self, pts: int, dts: int, *, rap: bool) -> None:
        """Take the next picture."""
        if self._last is not None:
            step = (dts - self._last) & TIMESTAMP_MASK
            if 0 < step < MAX_STEP:
                self._steps.append(step)
        self._last = dts
        delay = (pts - dts) & TIMESTAMP_MASK
        if self.reorder_ticks < delay < MAX_STEP:
            self.reorder_ticks = delay
        if rap:
            if self._point is not None:
                number, start = self._point
                self.gop_pictures = self.pictures - number
                self.gop_ticks = (dts - start) & TIMESTAMP_MASK
            self._point = (self.pictures, dts)
        self.pictures += 1
