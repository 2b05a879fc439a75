from __future__ import annotations

from streamctl.engine.causes import Causes
from streamctl.testing.clock import FakeClock


def test_a_cause_keeps_the_time_since_when_it_holds() -> None:
    clock = FakeClock()
    causes = Causes(clock)
    assert not causes
    assert causes.set("a", "one")
    since = clock.wall()
    clock.advance(5)
    assert not causes.set("a", "two")
    assert causes.active["a"] == ("two", since)
    assert "a" in causes
    causes.clear("a", "unknown")
    assert not causes
