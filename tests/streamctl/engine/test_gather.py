from __future__ import annotations

import pytest

from streamctl.engine.gather import CLOSE_S, ENOUGH_BYTES, LEAST_BYTES, WAIT_S, Gatherer
from streamctl.testing.clock import FakeClock


def put(made: Gatherer, data: bytes | memoryview, wait_s: float = 0.005) -> None:
    """Hand a piece over, that much later than the one before."""
    made.clock.monotonic += wait_s  # type: ignore[attr-defined] # a fake clock
    made.put(data, made.clock.now())


def gatherer() -> tuple[Gatherer, FakeClock, list[int]]:
    clock = FakeClock()
    sizes: list[int] = []
    return Gatherer(clock, lambda data: sizes.append(len(data))), clock, sizes


def test_small_pieces_go_on_at_once() -> None:
    made, _, sizes = gatherer()
    put(made, bytes(LEAST_BYTES - 1))
    put(made, b"x")
    assert sizes == [LEAST_BYTES - 1, 1]


def test_large_pieces_wait_for_each_other_until_there_are_enough() -> None:
    made, _, sizes = gatherer()
    for _ in range(4):
        put(made, memoryview(bytes(ENOUGH_BYTES // 2)))
    assert sizes == [ENOUGH_BYTES] * 2


def test_a_piece_that_is_enough_goes_on_at_once() -> None:
    made, _, sizes = gatherer()
    put(made, bytes(ENOUGH_BYTES))
    assert sizes == [ENOUGH_BYTES]


def test_datagrams_that_follow_each_other_closely_wait_too() -> None:
    made, clock, sizes = gatherer()
    for _ in range(10):
        put(made, bytes(1316), CLOSE_S / 2)
    assert sizes == [1316]
    clock.advance(WAIT_S)
    assert sizes == [1316, 9 * 1316]


def test_nothing_waits_long() -> None:
    made, clock, sizes = gatherer()
    put(made, bytes(LEAST_BYTES))
    assert sizes == []
    clock.advance(WAIT_S)
    assert sizes == [LEAST_BYTES]
    clock.advance(1)
    assert sizes == [LEAST_BYTES]


def test_the_timer_finds_nothing_when_it_was_delivered_early() -> None:
    made, clock, sizes = gatherer()
    put(made, bytes(LEAST_BYTES))
    made.flush()
    clock.advance(WAIT_S)
    assert sizes == [LEAST_BYTES]


def test_what_waits_can_be_dropped() -> None:
    made, clock, sizes = gatherer()
    put(made, bytes(LEAST_BYTES))
    made.close()
    made.close()
    clock.advance(WAIT_S)
    made.flush()
    assert sizes == []


def test_who_asks_is_called_again_with_nothing_in_the_next_turn() -> None:
    made, clock, sizes = gatherer()
    made.call_again()
    made.call_again()
    assert sizes == []
    clock.advance(0)
    assert sizes == [0]
    made.call_again()
    made.close()
    clock.advance(0)
    assert sizes == [0]


def test_a_failure_of_what_waited_is_told_with_the_next_piece() -> None:
    def deliver(data: bytes | bytearray | memoryview) -> None:
        raise ZeroDivisionError("a bug")

    clock = FakeClock()
    made = Gatherer(clock, deliver)
    put(made, bytes(LEAST_BYTES))
    clock.advance(WAIT_S)
    with pytest.raises(ZeroDivisionError):
        put(made, bytes(LEAST_BYTES))
    put(made, bytes(LEAST_BYTES))


def test_a_failure_in_a_turn_of_its_own_is_told_with_the_next_piece() -> None:
    def deliver(data: bytes | bytearray | memoryview) -> None:
        raise ZeroDivisionError("a bug")

    clock = FakeClock()
    made = Gatherer(clock, deliver)
    made.call_again()
    clock.advance(0)
    with pytest.raises(ZeroDivisionError):
        made.put(b"x", clock.now())
