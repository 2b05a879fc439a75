from __future__ import annotations

import pytest

from streamctl.engine.interlude import PICTURE_S, Interlude
from streamctl.testing.clock import FakeClock


def test_everybody_is_called_once_and_in_order() -> None:
    said: list[object] = []
    interlude = Interlude(FakeClock())
    interlude.ask(lambda: said.append((1, interlude.running)), lambda: said.append("late"))
    interlude.ask(lambda: said.append(2), lambda: said.append("late"))
    interlude.run()
    interlude.run()
    assert said == [(1, True), 2]
    assert not interlude.running


def test_who_waits_too_long_is_told() -> None:
    clock, said = FakeClock(), list[str]()
    interlude = Interlude(clock)

    def late() -> None:
        said.append("late")
        interlude.run()

    interlude.ask(lambda: said.append("called"), late)
    clock.advance(PICTURE_S)
    assert said == ["late", "called"]
    interlude.ask(lambda: said.append("in time"), lambda: said.append("late"))
    interlude.run()
    clock.advance(PICTURE_S)
    assert said == ["late", "called", "in time"]


def test_an_end_calls_everybody_in_the_next_turn() -> None:
    clock, said = FakeClock(), list[str]()
    interlude = Interlude(clock)
    interlude.ask(lambda: said.append("called"), lambda: said.append("late"))
    interlude.close()
    assert said == []
    clock.advance(PICTURE_S)
    assert said == ["called"]


def test_a_fault_of_one_ends_the_turn() -> None:
    interlude = Interlude(FakeClock())
    interlude.ask(fails, lambda: None)
    with pytest.raises(ValueError, match="none"):
        interlude.run()
    assert not interlude.running


def fails() -> None:
    raise ValueError("none of them")
