from __future__ import annotations

from streamctl.engine.gather import ENOUGH_BYTES, LEAST_BYTES, WAIT_S, Gatherer
from streamctl.testing.clock import FakeClock


def gatherer() -> tuple[Gatherer, FakeClock, list[int]]:
    clock = FakeClock()
    sizes: list[int] = []
    return Gatherer(clock, lambda data: sizes.append(len(data))), clock, sizes


def test_small_pieces_go_on_at_once() -> None:
    made, _, sizes = gatherer()
    made.put(bytes(LEAST_BYTES - 1))
    made.put(b"x")
    assert sizes == [LEAST_BYTES - 1, 1]


def test_large_pieces_wait_for_each_other_until_there_are_enough() -> None:
    made, _, sizes = gatherer()
    for _ in range(4):
        made.put(memoryview(bytes(ENOUGH_BYTES // 2)))
    assert sizes == [ENOUGH_BYTES] * 2


def test_a_piece_that_is_enough_goes_on_at_once() -> None:
    made, _, sizes = gatherer()
    made.put(bytes(ENOUGH_BYTES))
    assert sizes == [ENOUGH_BYTES]


def test_a_small_piece_takes_what_waits_along() -> None:
    made, _, sizes = gatherer()
    made.put(bytes(LEAST_BYTES))
    made.put(bytes(10))
    assert sizes == [LEAST_BYTES + 10]


def test_nothing_waits_long() -> None:
    made, clock, sizes = gatherer()
    made.put(bytes(LEAST_BYTES))
    assert sizes == []
    clock.advance(WAIT_S)
    assert sizes == [LEAST_BYTES]
    clock.advance(1)
    assert sizes == [LEAST_BYTES]


def test_the_timer_finds_nothing_when_it_was_delivered_early() -> None:
    made, clock, sizes = gatherer()
    made.put(bytes(LEAST_BYTES))
    made.flush()
    clock.advance(WAIT_S)
    assert sizes == [LEAST_BYTES]


def test_what_waits_can_be_dropped() -> None:
    made, clock, sizes = gatherer()
    made.put(bytes(LEAST_BYTES))
    made.close()
    made.close()
    clock.advance(WAIT_S)
    made.flush()
    assert sizes == []
