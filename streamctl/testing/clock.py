"""A clock that only moves when a test says so."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTimer:
    """A pending call of a :class:`FakeClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Drop the call."""
        self.callback = None


class FakeClock:
    """An implementation of :class:`streamctl.sdk.context.Clock` under a test's control."""

    def __init__(self, now: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self.monotonic = now
        self.offset = wall - now
        self.pending: list[tuple[float, int, FakeTimer]] = []
        self.order = count()

    def now(self) -> float:
        """Monotonic seconds."""
        return self.monotonic

    def wall(self) -> float:
        """Unix time in seconds."""
        return self.monotonic + self.offset

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> FakeTimer:
        """Run ``callback`` when the clock has advanced by ``delay_s``."""
        timer = FakeTimer(callback)
        heapq.heappush(self.pending, (self.monotonic + delay_s, next(self.order), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has advanced by ``delay_s``."""
        event = anyio.Event()
        self.call_later(delay_s, event.set)
        await event.wait()

    def advance(self, seconds: float) -> None:
        """Move on, running what falls due, in order and at its own time."""
        end = self.monotonic + seconds
        while self.pending and self.pending[0][0] <= end:
            due, _, timer = heapq.heappop(self.pending)
            self.monotonic = max(self.monotonic, due)
            if timer.callback is not None:
                timer.callback()
        self.monotonic = end
