"""When datagrams leave."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.media.rtp.schedule import GROUP, HURRY, JUMP_S, LONGEST_S, SPARE_S, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.rtp.publication import Datagram

TICK = 3600
"""Pictures are 40 ms apart."""


def unit(number: int, count: int = 1, track: int = 0) -> list[Datagram]:
    return [(track, False, number.to_bytes(4, "big")) for _ in range(count)]


def departures(arrivals: Iterable[tuple[float, int]]) -> list[float]:
    """When pictures leave that come at a time, each with its number."""
    schedule = Schedule()
    found = []
    for arrival, number in arrivals:
        while (due := schedule.next_due()) is not None and due <= arrival:
            found += [due for _ in schedule.take(due)]
        schedule.feed(0, number * TICK, unit(number), arrival)
    while (due := schedule.next_due()) is not None:
        found += [due for _ in schedule.take(due)]
    return found


def steps(times: Iterable[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def test_what_comes_in_time_leaves_at_once() -> None:
    arrivals = [(100 + number * 0.04, number) for number in range(100)]
    assert departures(arrivals) == pytest.approx([at for at, _ in arrivals])


def test_what_has_collected_leaves_as_it_is_played() -> None:
    found = departures((100.0, number) for number in range(25))
    assert found == pytest.approx([100 + number * 0.04 for number in range(25)], abs=0.06)
    assert max(steps(found)) <= 0.04 + 1e-9
    assert min(steps(found)) >= 0.04 * (1 - HURRY) - 1e-9


def test_the_burst_after_a_stall_is_no_burst_any_more() -> None:
    late = [
        (100 + max(number * 0.04, 2.0 if 25 <= number < 50 else 0), number) for number in range(75)
    ]
    found = departures(late)
    assert len(found) == 75
    assert min(steps(found)) >= 0.04 * (1 - HURRY) - 1e-9


def test_lumps_leave_evenly_once_the_first_have_come() -> None:
    lumps = [(100 + number // 5 * 0.2, number) for number in range(500)]
    found = departures(lumps)
    assert max(steps(found[10:])) == pytest.approx(0.04, abs=0.003)
    assert min(steps(found)) >= 0.04 * (1 - HURRY) - 1e-9


def test_what_it_is_behind_is_made_up_little_by_little() -> None:
    ahead = [(100.0, number) for number in range(25)]
    rest = [(100 + (number - 24) * 0.04, number) for number in range(25, 2000)]
    found = departures(ahead + rest)
    assert found[30] - rest[5][0] > 0.5
    assert found[-1] - rest[-1][0] == pytest.approx(SPARE_S, abs=0.005)
    assert min(steps(found)) >= 0.04 * (1 - HURRY) - 1e-9


def test_a_jump_of_the_times_is_not_waited_for() -> None:
    far = int(JUMP_S / 0.04) + 50
    found = departures([(100.0, 0), (100.04, far), (100.08, far + 1), (100.12, 1), (100.16, 2)])
    assert found == pytest.approx([100.0, 100.04, 100.08, 100.12, 100.16])


def test_the_datagrams_of_a_large_picture_are_spread() -> None:
    schedule = Schedule()
    schedule.feed(0, 0, unit(0), 0.0)
    schedule.feed(0, TICK, unit(1, 4 * GROUP), 0.04)
    assert len(schedule.take(0.04)) == 1 + GROUP
    assert schedule.next_due() == pytest.approx(0.045)
    assert len(schedule.take(0.05)) == 2 * GROUP
    assert schedule.ahead(0.05) == pytest.approx(0.005)
    assert len(schedule.take(0.06)) == GROUP
    assert schedule.next_due() is None
    assert schedule.ahead(0.06) == 0


def test_nothing_comes_amid_a_picture_that_leaves_whole() -> None:
    schedule = Schedule()
    schedule.feed(0, 0, unit(0), 0.0, whole=True)
    schedule.feed(0, TICK, unit(1, 4 * GROUP + 1), 0.04, whole=True)
    schedule.feed(1, TICK + 900, unit(2, track=1), 0.04)
    schedule.feed(0, 2 * TICK, [], 0.04, whole=True)
    assert len(schedule.take(0.04)) == 1 + 4 * GROUP + 1
    assert schedule.next_due() == pytest.approx(0.05)
    assert [track for track, _, _ in schedule.take(0.05)] == [1]
    assert schedule.next_due() is None


def test_a_picture_that_stands_for_long_is_not_spread_for_long() -> None:
    schedule = Schedule()
    schedule.feed(0, 0, unit(0), 0.0)
    schedule.feed(0, 9 * 90_000, unit(1, 100), 9.0)
    assert len(schedule.take(9.0 + LONGEST_S)) == 101


def test_a_track_keeps_its_order_and_others_need_not_wait_for_it() -> None:
    schedule = Schedule()
    schedule.feed(0, 0, unit(0), 0.0)
    schedule.feed(0, 9000, unit(1, 3 * GROUP), 0.1)
    schedule.feed(0, 9100, unit(2), 0.1)
    schedule.feed(1, 9100, unit(3, track=1), 0.1)
    found = schedule.take(1.0)
    numbers = [int.from_bytes(data, "big") for _, _, data in found]
    assert numbers.index(3) < numbers.index(2)
    assert [number for number in numbers if number != 3] == [0, *[1] * 3 * GROUP, 2]


def test_a_track_that_comes_later_than_the_others_moves_all() -> None:
    schedule = Schedule()
    found: dict[int, list[float]] = {0: [], 1: []}
    for number in range(200):
        now = number * 0.04
        schedule.feed(0, number * TICK, unit(number), now)
        if number >= 10:
            # Its sound comes behind its pictures.
            schedule.feed(1, (number - 10) * TICK, unit(number, track=1), now)
        while (due := schedule.next_due()) is not None and due <= now + 0.04:
            for track, _, _ in schedule.take(due):
                found[track].append(due)
    assert max(steps(found[0][15:])) == pytest.approx(0.04, abs=0.003)
    assert max(steps(found[1])) == pytest.approx(0.04, abs=0.003)
