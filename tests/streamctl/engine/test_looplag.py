from __future__ import annotations

from streamctl.engine.looplag import INTERVAL_S, WINDOW_S, LoopLag
from streamctl.testing.clock import FakeClock


def test_a_late_timer_is_a_stall_and_is_forgotten_after_the_window() -> None:
    clock = FakeClock()
    lag = LoopLag(clock)
    lag.start()
    clock.advance(INTERVAL_S)
    assert lag.worst == 0.0
    clock.monotonic += INTERVAL_S + 0.2
    clock.advance(0)
    assert 0.19 < lag.worst < 0.21
    assert lag.stalls == 1
    clock.advance(WINDOW_S + 1)
    assert lag.worst == 0.0
    lag.stop()
    before = len(lag.late)
    clock.advance(10)
    assert len(lag.late) == before
