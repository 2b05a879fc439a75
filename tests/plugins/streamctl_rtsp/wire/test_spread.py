"""When packets leave: pictures within half of their time, what is caught up with by rate."""

from __future__ import annotations

import pytest

from streamctl_rtsp.wire.spread import LEAST, MOST, STEP_S, Spread

SIZE = 1400


def drain(spread: Spread, now: float, size: int = SIZE) -> tuple[list[int], float]:
    """What leaves at each wake-up, and when the last has."""
    sent = []
    while spread.waiting:
        due = spread.due(now)
        sent.append(due)
        spread.left(due, due * size)
        now += STEP_S
    return sent, now


@pytest.mark.parametrize("packets", [1, 8, 9, 20, 79, 80, 300, 2000])
def test_a_picture_leaves_within_half_of_its_time(packets: int) -> None:
    spread = Spread()
    sent: list[int] = []
    for number in range(20):
        spread.put(packets, packets * SIZE, number * 0.04)
        sent, end = drain(spread, number * 0.04)
        assert sum(sent) == packets
        assert end - number * 0.04 <= 0.02 + STEP_S
        assert all(count >= min(LEAST, packets) for count in sent[:-1])
    assert max(sent) < packets // 10 + 2 * LEAST


def test_pictures_that_are_closer_leave_faster() -> None:
    spread = Spread()
    end = 0.0
    for number in range(100):
        spread.put(100, 100 * SIZE, number / 120)
        end = drain(spread, number / 120)[1]
    assert end - 99 / 120 < 1 / 120


def test_what_is_left_of_a_picture_does_not_slow_down_the_next() -> None:
    spread = Spread()
    spread.put(100, 100 * SIZE, 0.0)
    due = spread.due(0.0)
    spread.left(due, due * SIZE)
    spread.put(1, SIZE, 0.001)
    assert spread.due(0.002) >= 8


def test_a_late_wake_up_sends_what_was_due_but_never_a_flood() -> None:
    spread = Spread()
    spread.put(100, 100 * SIZE, 0.0)
    sent = []
    for now in (0.0, 0.004, 0.010, 0.030):
        sent.append(spread.due(now))
        spread.left(sent[-1], sent[-1] * SIZE)
    assert sent == [8, 16, 32, MOST]


@pytest.mark.parametrize("size", [160, 500, SIZE])
def test_catching_up_keeps_to_twice_the_rate_whatever_the_packets(size: int) -> None:
    rate = 500 * size
    spread = Spread()
    spread.catch_up(rate, 10.0)
    spread.put(2000, 2000 * size, 10.0)
    sent, end = drain(spread, 10.0, size)
    assert sum(sent) == 2000
    assert end - 10.0 == pytest.approx(2.0, rel=0.05)
    assert spread.rate == 0
    assert all(count == 0 or count >= LEAST for count in sent[:-1])


def test_a_rate_that_is_not_known_is_guessed() -> None:
    spread = Spread()
    spread.catch_up(0.0, 0.0)
    spread.catch_up(0.0, 1.0)
    assert spread.rate > 0
