from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.timestamps import (
    GRID_TOLERANCE,
    FrameGrid,
    Unwrapper,
    frame_step,
    ms_to_ticks,
    rescale,
    ticks_to_ms,
)

WRAP = 1 << 33
HOUR = 3600


def test_the_first_value_stands_for_itself() -> None:
    assert Unwrapper(33).unwrap(0) == 0
    assert Unwrapper(33).unwrap(WRAP - 1) == WRAP - 1
    assert Unwrapper(33).unwrap(WRAP + 5) == 5


def test_a_wrap_with_interleaved_tracks_counts_once() -> None:
    unwrapper = Unwrapper(33)
    start = WRAP - 90_000
    video = [start + n * 3600 for n in range(100)]
    audio = [start - 20_000 + n * 1920 for n in range(200)]
    wanted = sorted(video + audio, key=lambda time: time + 20_000 * (time in audio))
    assert [unwrapper.unwrap(time % WRAP) for time in wanted] == wanted


def test_reordered_values_keep_their_sign_across_the_wrap() -> None:
    unwrapper = Unwrapper(32)
    top = 1 << 32
    assert [unwrapper.unwrap(v) for v in (top - 10, 30, top - 5, 40)] == [
        top - 10,
        top + 30,
        top - 5,
        top + 40,
    ]


def test_a_step_below_the_first_value_is_negative() -> None:
    unwrapper = Unwrapper(33)
    unwrapper.unwrap(100)
    assert unwrapper.unwrap(WRAP - 100) == -100


@given(
    st.integers(0, 1 << 40),
    st.lists(st.integers(-(1 << 31) + 1, (1 << 31) - 1), max_size=40),
)
def test_any_walk_of_less_than_half_the_range_is_followed(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper(32)
    offset = start - unwrapper.unwrap(start % (1 << 32))
    for step in steps:
        start += step
        assert unwrapper.unwrap(start % (1 << 32)) + offset == start


@pytest.mark.parametrize(
    ("value", "source", "target", "wanted"),
    [
        (1, 48_000, 90_000, 2),
        (1024, 44_100, 90_000, 2090),
        (1001, 30_000, 90_000, 3003),
        (-1, 48_000, 90_000, -2),
        (1, 2, 1, 1),
        (-1, 2, 1, 0),
        (0, 1, 90_000, 0),
    ],
)
def test_rescaling_rounds_to_the_nearest(value: int, source: int, target: int, wanted: int) -> None:
    assert rescale(value, source, target) == wanted


def test_an_hour_at_44100_hz_and_29_97_fps_does_not_drift() -> None:
    for n in random.Random(1).sample(range(HOUR * 43), 1000):
        exact = Fraction(n * 1024 * 90_000, 44_100)
        assert abs(rescale(n * 1024, 44_100, 90_000) - exact) <= Fraction(1, 2)
    for n in random.Random(2).sample(range(HOUR * 30), 1000):
        assert rescale(n * 1001, 30_000, 90_000) == n * 3003


def test_samples_are_recovered_from_ticks() -> None:
    for n in range(0, HOUR * 44_100, 1024 * 997):
        assert rescale(rescale(n, 44_100, 90_000), 90_000, 44_100) == n


def test_milliseconds_are_rounded_and_come_back() -> None:
    assert ms_to_ticks(-3) == -270
    assert [ticks_to_ms(ticks) for ticks in (0, 44, 45, 134, 135, -45, -46)] == [
        0,
        0,
        1,
        1,
        2,
        0,
        -1,
    ]
    assert all(ticks_to_ms(ms_to_ticks(ms)) == ms for ms in range(-50, 50))


@pytest.mark.parametrize(
    ("fps", "step"),
    [
        (25, Fraction(3600)),
        (30.0, Fraction(3000)),
        (29.97, Fraction(3003)),
        (29.97002997, Fraction(3003)),
        (23.976, Fraction(15015, 4)),
        (59.94, Fraction(3003, 2)),
        (12.5, Fraction(7200)),
        (0, Fraction(0)),
    ],
)
def test_declared_frame_rates_mean_exact_steps(fps: float, step: Fraction) -> None:
    assert frame_step(fps) == step


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 59.94, 12.5, 10])
@pytest.mark.parametrize("rounding", [round, int])
def test_milliseconds_go_back_to_where_the_frames_are(fps: float, rounding: type[int]) -> None:
    step = frame_step(fps)
    grid = FrameGrid(step)
    raw = [ms_to_ticks(rounding(frame * step / 90)) for frame in range(5000)]
    placed = [grid.snap(time) for time in raw]
    assert placed == [rescale(frame * step.numerator, step.denominator, 1) for frame in range(5000)]


def test_composition_times_go_to_the_same_places() -> None:
    grid = FrameGrid(frame_step(24))
    for frame in range(0, 1000, 3):
        dts = ms_to_ticks(round(frame * 1000 / 24))
        assert grid.snap(dts) == frame * 3750
        offset = round((frame + 2) * 1000 / 24) - round(frame * 1000 / 24)
        assert grid.near(dts + ms_to_ticks(offset)) == (frame + 2) * 3750


def test_gaps_keep_the_places_and_jumps_make_new_ones() -> None:
    grid = FrameGrid(Fraction(3750))
    assert [grid.snap(time) for time in (0, 3780, 90 * 417)] == [0, 3750, 37_500]
    jump = 1_000_000_000
    assert grid.snap(jump + 1800) == jump + 1800
    assert grid.snap(jump + 1800 + 3780) == jump + 1800 + 3750


@given(
    st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=60),
    st.sampled_from([0, 24, 25, 29.97, 30, 60, 120]),
)
def test_no_place_is_further_off_than_the_tolerance_and_order_is_kept(
    steps: list[int], fps: float
) -> None:
    grid = FrameGrid(frame_step(fps))
    raw, last, time = [], -1, 0
    for step in steps:
        time += ms_to_ticks(step)
        raw.append(time)
    for time in raw:
        placed = grid.snap(time)
        assert abs(placed - time) <= GRID_TOLERANCE
        assert placed >= last
        last = placed


def test_without_a_rate_nothing_moves() -> None:
    grid = FrameGrid(frame_step(0))
    assert [grid.snap(time) for time in (7, 99, 1234)] == [7, 99, 1234]
    assert grid.near(1300) is None
