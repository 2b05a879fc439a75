"""The running event loop as a clock.

Everything above this layer takes a :class:`streamctl.sdk.context.Clock` and never asks the
loop or the operating system itself, so that tests can own time.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopClock:
    """Monotonic time, timers and sleeping of the loop that was running when it was made."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Monotonic seconds."""
        return self.loop.time()

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Run ``callback`` on the loop thread after ``delay_s`` seconds."""
        return self.loop.call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds."""
        await asyncio.sleep(delay_s)
