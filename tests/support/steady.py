"""A clock for tests whose peers are reached by real sockets and threads."""

from __future__ import annotations

from streamctl.net.clock import LoopClock
from streamctl.testing.clock import FakeClock

STEP_S = 0.002


class SteadyClock(FakeClock):
    """Goes on by one short step at a time, between which the loop has had a turn.

    While the machine stands still, so does this clock: nothing falls due, and nothing is too late,
    because of a pause that the test knows nothing of. It never goes faster than real time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = LoopClock()
        self._step()

    def _step(self) -> None:
        self.loop.call_later(STEP_S, self._step)
        self.advance(STEP_S)
