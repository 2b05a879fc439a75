from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from streamctl_hls.window import DVR_MARGIN, Bounds, Window
from tests.plugins.streamctl_hls.chunks import segment as made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl_hls.segment import Segment

S = 90_000
MAX_BYTES = 100_000


def segment(number: int, *, seconds: float = 2, size: int = 1000, cut: bool = False) -> Segment:
    start = number * 2 * S
    return made(number, start=start, end=start + round(seconds * S), size=size, cut=cut)


def window(size: int, discontinuity_sequence: int = 0, *, history_s: float = 0.0) -> Window:
    return Window(Bounds(size, history_s, MAX_BYTES), discontinuity_sequence)


def listed(window: Window) -> list[int]:
    return [segment.number for segment in window.listed]


def kept(window: Window) -> list[int]:
    return [segment.number for segment in window.late]


def test_a_segment_can_be_fetched_for_a_playlist_longer_than_it_is_listed() -> None:
    full = window(4)
    gone = []
    for number in range(20):
        gone += full.add([segment(number)], 2)
    assert listed(full) == [16, 17, 18, 19]
    assert kept(full) == [11, 12, 13, 14, 15]
    assert [one.number for one in gone] == list(range(11))
    assert full.get("s5_11.ts") is not None
    assert full.get("s5_10.ts") is None
    assert full.bytes == full.memory_bytes == 9000
    assert full.late_s == 10.0


def test_history_is_kept_as_long_as_wanted() -> None:
    full = window(4, history_s=30)
    for number in range(60):
        full.add([segment(number)], 2)
    assert kept(full) == list(range(41, 56))
    assert [one.number for one in full.dvr()] == list(range(41 + DVR_MARGIN, 60))


def test_the_history_has_a_playlist_before_it_is_long() -> None:
    young = window(4, history_s=30)
    young.add([segment(0), segment(1)], 2)
    assert [one.number for one in young.dvr()] == [0, 1]


def test_every_segment_knows_its_discontinuity_sequence() -> None:
    full = window(3, 40)
    for number in range(8):
        full.add([segment(number, cut=number in {1, 2, 6})], 2)
    assert [one.discontinuity_sequence for one in full.listed] == [42, 43, 43]
    assert full.discontinuities == 3


def test_short_segments_stay_until_three_targets_remain() -> None:
    full = window(3)
    for number in range(9):
        full.add([segment(number, seconds=0.5)], 2)
    assert len(full.listed) == 9
    for number in range(9, 20):
        full.add([segment(number)], 2)
    assert listed(full) == [17, 18, 19]


def test_bytes_in_memory_are_bounded_and_late_segments_go_first() -> None:
    full = window(12)
    big = MAX_BYTES // 8
    for number in range(30):
        full.add([segment(number, size=big)], 2)
        assert full.memory_bytes <= MAX_BYTES
    assert len(full.listed) == 8
    assert not full.late


def test_the_least_that_players_need_stays_even_if_it_is_too_big() -> None:
    full = window(12)
    for number in range(10):
        full.add([segment(number, size=MAX_BYTES)], 2)
    assert len(full.listed) == 3


def test_segments_whose_bytes_lie_elsewhere_hold_no_memory() -> None:
    full = window(4, history_s=60)
    for number in range(30):
        full.add([one := segment(number, size=MAX_BYTES // 10)], 2)
        full.release(one)
        full.release(one)
    assert full.memory_bytes == 0
    assert full.bytes == 30 * MAX_BYTES // 10
    gone = segment(99)
    full.release(gone)
    assert gone.parts == ()
    assert full.memory_bytes == 0


def test_a_smaller_window_lets_go_at_once_and_a_larger_one_fills_up() -> None:
    full = window(10)
    for number in range(12):
        full.add([segment(number)], 2)
    full.bounds = Bounds(4, 0.0, MAX_BYTES)
    assert [one.number for one in full.trim(2)] == [0, 1, 2]
    assert listed(full) == [8, 9, 10, 11]
    full.bounds = Bounds(6, 0.0, MAX_BYTES)
    assert full.trim(2) == []
    assert listed(full) == [8, 9, 10, 11]
    full.add([segment(12), segment(13)], 2)
    assert listed(full) == [8, 9, 10, 11, 12, 13]


def test_memory_is_given_back_on_demand_down_to_what_players_need() -> None:
    full = window(6)
    for number in range(20):
        full.add([segment(number)], 2)
    assert len(full.shrink(2500, 2)) == 3
    full.shrink(10**9, 2)
    assert listed(full) == [17, 18, 19]
    assert not full.late
    assert full.shrink(1, 2) == []


class Unwalked(deque[Any]):
    """Segments that nobody looks through one by one."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("looked through")


def test_giving_back_looks_at_nothing_but_what_goes() -> None:
    full = window(200, history_s=10_000)
    for number in range(300):
        full.add([one := segment(number, size=100)], 2)
        if number % 2:
            full.release(one)
    full.release(full.late[50])
    full.late, full.listed = Unwalked(full.late), Unwalked(full.listed)
    assert (full.duration, full.memory_bytes) == (400, 14_900)
    assert [one.number for one in full.shrink(2400, 2)] == list(range(47))
    assert full.memory_bytes == 12_500
    full.shrink(10**9, 2)
    assert (len(full.late), len(full.listed), full.duration) == (0, 3, 6)
    assert full.memory_bytes == 100


def test_a_segment_without_a_keyframe_is_remembered() -> None:
    full = window(3)
    full.add([segment(0)], 2)
    assert full.independent
    full.add([made(1, key=False)], 2)
    for number in range(2, 20):
        full.add([segment(number)], 2)
    assert not full.independent


def test_clearing_keeps_the_discontinuities_counted() -> None:
    full = window(3, 5)
    full.add([segment(0), segment(1, cut=True)], 2)
    assert [one.number for one in full.clear()] == [0, 1]
    assert full.discontinuity_sequence == 6
    assert full.bytes == full.memory_bytes == 0
    assert full.get("s5_1.ts") is None
    assert full.duration == 0
    assert full.average_bps == 0


def test_bit_rates_are_measured() -> None:
    full = window(3)
    full.add([segment(0, size=250_000), segment(1, size=500_000)], 2)
    full.add([segment(2, size=100_000, seconds=0.1)], 2)
    assert full.peak_bps == 2_000_000
    assert full.average_bps == round(850_000 * 8 / 4.1)
