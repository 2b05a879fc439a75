"""Whether the clock of a program runs as it should (ISO/IEC 13818-1 §2.4.3.5, §2.7.2)."""

from __future__ import annotations

PCR_HZ = 27_000_000
PCR_WRAP = (1 << 33) * 300

MAX_GAP = PCR_HZ // 10
"""Clock references are at most 100 ms apart."""
MAX_STEP = PCR_HZ
"""More is no gap, but another time."""


class ClockWatch:
    """Counts what is wrong with clock references."""

    def __init__(self) -> None:
        self.jumps = 0
        """They went back, or on by more than a second, and nothing announced it."""
        self.gaps = 0
        """They came later than they should."""
        self._last: int | None = None

    def take(self, pcr: int, *, announced: bool) -> None:
        """Take a clock reference; ``announced`` tells that the clock begins anew with it."""
        last, self._last = self._last, pcr
        if last is None or announced:
            return
        step = (pcr - last) % PCR_WRAP
        if step > MAX_STEP:
            self.jumps += 1
        elif step > MAX_GAP:
            self.gaps += 1

    def restart(self) -> None:
        """Another clock counts from here on."""
        self._last = None
