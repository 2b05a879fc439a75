"""How late the event loop runs its timers: the first sign of an overloaded process."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.sdk.context import Clock, Timer

INTERVAL_S = 0.25
STALL_S = 0.05
"""A timer that is later than this counts as a stall."""
WINDOW_S = 60.0


class LoopLag:
    """Measures the lateness of a recurring timer."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stalls = 0
        self.late: deque[tuple[float, float]] = deque(maxlen=int(WINDOW_S / INTERVAL_S))
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = self.clock.now() + INTERVAL_S
        self._timer = self.clock.call_later(INTERVAL_S, self._fire)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def worst(self) -> float:
        """The worst lateness of the last minute, seconds."""
        since = self.clock.now() - WINDOW_S
        return max((late for when, late in self.late if when >= since), default=0.0)

    def _fire(self) -> None:
        now = self.clock.now()
        late = max(0.0, now - self._due)
        self.late.append((now, late))
        self.stalls += late > STALL_S
        self.start()
