from __future__ import annotations

from streamctl_hls import window as module
from streamctl_hls.segment import Segment
from streamctl_hls.window import LATE_SEGMENTS, Window

S = 90_000


def segment(number: int, *, seconds: float = 2, size: int = 1000, cut: bool = False) -> Segment:
    start = number * 2 * S
    return Segment(
        number, start, start + round(seconds * S), (bytes(size),), size, 0.0, cut, independent=True
    )


def listed(window: Window) -> list[int]:
    return [segment.number for segment in window.listed]


def test_a_full_window_lists_its_size_and_keeps_some_more() -> None:
    window = Window(4, 0)
    for number in range(20):
        window.add([segment(number)], 2)
    assert listed(window) == [16, 17, 18, 19]
    assert window.get(12) is not None
    assert window.get(11) is None
    assert window.bytes == (4 + LATE_SEGMENTS) * 1000


def test_the_discontinuity_sequence_rises_when_one_leaves() -> None:
    window = Window(3, 40)
    for number in range(8):
        window.add([segment(number, cut=number in {1, 2, 6})], 2)
    assert listed(window) == [5, 6, 7]
    assert window.discontinuity_sequence == 42
    assert window.discontinuities == 3


def test_short_segments_stay_until_three_targets_remain() -> None:
    window = Window(3, 0)
    for number in range(9):
        window.add([segment(number, seconds=0.5)], 2)
    assert len(window.listed) == 9
    for number in range(9, 20):
        window.add([segment(number)], 2)
    assert listed(window) == [17, 18, 19]


def test_bytes_are_bounded() -> None:
    window = Window(12, 0)
    big = module.MAX_BYTES // 8
    for number in range(30):
        window.add([segment(number, size=big)], 2)
        assert window.bytes <= module.MAX_BYTES
    assert len(window.listed) == 8
    assert not window.late


def test_the_least_that_players_need_stays_even_if_it_is_too_big() -> None:
    window = Window(12, 0)
    for number in range(10):
        window.add([segment(number, size=module.MAX_BYTES)], 2)
    assert len(window.listed) == 3


def test_clearing_counts_the_discontinuities_that_go() -> None:
    window = Window(3, 5)
    window.add([segment(0), segment(1, cut=True)], 2)
    window.clear()
    assert window.discontinuity_sequence == 6
    assert window.bytes == 0
    assert window.get(1) is None
    assert window.duration == 0
    assert window.average_bps == 0


def test_bit_rates_are_measured() -> None:
    window = Window(3, 0)
    window.add([segment(0, size=250_000), segment(1, size=500_000)], 2)
    window.add([segment(2, size=100_000, seconds=0.1)], 2)
    assert window.peak_bps == 2_000_000
    assert window.average_bps == round(850_000 * 8 / 4.1)
