"""Counters with a rate over the last few seconds; plain ints on the hot path."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3.0
"""Rates are averages over this time."""


class Meter:
    """Counts bytes and items; :meth:`sample` is called about once a second."""

    __slots__ = ("bytes", "items", "samples")

    def __init__(self) -> None:
        self.bytes = 0
        self.items = 0
        self.samples: deque[tuple[float, int, int]] = deque()

    def sample(self, now: float) -> None:
        """Remember the counters; older samples than the window are dropped."""
        samples = self.samples
        samples.append((now, self.bytes, self.items))
        while len(samples) > 2 and samples[1][0] <= now - WINDOW_S:
            samples.popleft()

    def rates(self) -> tuple[float, float]:
        """Bits per second and items per second over the window; zeros before two samples."""
        if len(self.samples) < 2:
            return 0.0, 0.0
        first, last = self.samples[0], self.samples[-1]
        seconds = last[0] - first[0]
        if seconds <= 0:
            return 0.0, 0.0
        return (last[1] - first[1]) * 8 / seconds, (last[2] - first[2]) / seconds
