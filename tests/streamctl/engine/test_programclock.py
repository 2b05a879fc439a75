from __future__ import annotations

import pytest

from streamctl.engine.programclock import FORGETS, ProgramClock, new_line
from streamctl.media.packet import TIMESCALE

S = TIMESCALE


def run(clock: ProgramClock, key: int, times: list[tuple[float, float]]) -> list[float]:
    """Where times, in seconds, with their arrivals, come out."""
    return [(round(time * S) + clock.place(key, round(time * S), now)) / S for time, now in times]


def test_one_offset_moves_everything() -> None:
    clock = ProgramClock(5 * S)
    assert run(clock, 1, [(0, 0), (0.04, 0.04), (0.08, 0.08)]) == [5, 5.04, 5.08]
    assert run(clock, 2, [(-0.5, 0.1)]) == [4.5]
    assert clock.lines[1].step == 3600


def test_lateness_is_no_jump() -> None:
    clock = ProgramClock(0)
    assert run(clock, 1, [(0, 0), (0.04, 4.0), (4.04, 4.01), (4.08, 4.05)]) == [0, 0.04, 4.04, 4.08]
    assert clock.jumps == 0


def test_silence_of_its_true_length_is_no_jump() -> None:
    clock = ProgramClock(0)
    assert run(clock, 1, [(0, 0), (7, 7), (14, 14)]) == [0, 7, 14]
    assert clock.jumps == 0


def test_a_jump_replaces_the_offset_for_all_and_keeps_the_old_one_for_late_ones() -> None:
    clock = ProgramClock(0)
    run(clock, 1, [(0, 0), (0.04, 0.04)])
    run(clock, 2, [(0.0, 0.0), (0.02, 0.02)])
    assert run(clock, 1, [(1000, 0.08)]) == [0.08]
    assert run(clock, 2, [(0.04, 0.09), (0.06, 0.1)]) == [0.04, 0.06]
    assert run(clock, 2, [(1000, 0.12)]) == [0.08]
    assert run(clock, 1, [(1000.04, 0.13)]) == [0.12]
    assert clock.jumps == 1
    assert run(clock, 2, [(1000.02, 0.14)]) == [0.1]


def test_a_jump_is_noticed_after_weeks_of_a_slow_clock() -> None:
    clock, slow, last = ProgramClock(0), 1 - 50e-6, 28 * 24 * 3600
    run(clock, 1, [(now * slow, now) for now in range(0, last, 60)])
    assert clock.jumps == 0
    [after] = run(clock, 1, [(last * slow + 60, last)])
    assert clock.jumps == 1
    assert after == pytest.approx(last * slow, abs=60)


def test_a_jump_back_counts_even_after_silence() -> None:
    clock = ProgramClock(0)
    run(clock, 1, [(50, 0), (50.04, 0.04)])
    assert run(clock, 1, [(10, 3.04)]) == [53.04]
    assert clock.jumps == 1


def test_a_second_jump_is_told_while_two_offsets_are_valid() -> None:
    clock = ProgramClock(0)
    run(clock, 1, [(0, 0), (0.04, 0.04), (100, 0.08), (100.04, 0.12)])
    assert run(clock, 1, [(500, 0.16)]) == [0.16]
    assert clock.jumps == 2


def ticks(clock: ProgramClock, times: list[tuple[float, float]]) -> list[float]:
    """Where clock references come out."""
    return [(round(time * S) + clock.tick(round(time * S), now)) / S for time, now in times]


def test_references_that_jump_first_are_joined_by_the_others() -> None:
    clock = ProgramClock(5 * S)
    assert ticks(clock, [(0, 0), (0.04, 0.04)]) == [5, 5.04]
    assert run(clock, 1, [(0.5, 0.04), (0.54, 0.08)]) == [5.5, 5.54]
    assert ticks(clock, [(300.02, 0.1), (300.06, 0.14)]) == [5.08, 5.12]
    assert run(clock, 1, [(300.5, 0.12)]) == [5.56]
    assert clock.clock is not None
    assert clock.offset == clock.clock.offset
    assert clock.jumps == 1


def test_references_that_jump_alone_go_on_alone() -> None:
    clock = ProgramClock(0)
    times = [(0.5 + 0.04 * n, 0.04 * n) for n in range(200)]
    ticks(clock, [(0, 0), (0.04, 0.04)])
    assert run(clock, 1, times[:3]) == [0.5, 0.54, 0.58]
    assert ticks(clock, [(9000, 0.12), (9000.04, 0.16)]) == [0.08, 0.12]
    assert run(clock, 1, times[3:]) == [round(time * S) / S for time, _ in times[3:]]
    assert clock.jumps == 0


def test_references_follow_what_jumped_before_them() -> None:
    clock = ProgramClock(0)
    ticks(clock, [(0, 0), (0.04, 0.04)])
    run(clock, 1, [(0.5, 0), (0.54, 0.04), (700.5, 0.08)])
    assert clock.jumps == 1
    assert ticks(clock, [(699.96, 0.09)]) == [(699.96 * S + clock.offset) / S]
    assert clock.clock is not None
    assert clock.clock.offset == clock.offset


def test_references_that_come_late_have_not_jumped() -> None:
    clock = ProgramClock(S)
    assert ticks(clock, [(0, 0), (0.04, 4.0), (4.0, 4.0), (9.0, 9.0)]) == [1, 1.04, 5, 10]


def test_a_stream_that_jumps_alone_goes_on_alone() -> None:
    clock = ProgramClock(0)
    for n in range(200):
        now = 0.04 * n
        assert clock.place(1, round(now * S), now, leads=True) == 0
        broken = now if n < 50 else now + 777
        clock.place(2, round(broken * S), now)
    assert clock.jumps == 1
    assert clock.leading == 0
    assert clock.near(9 * S, 9.0, 9 * S) == 0
    assert run(clock, 3, [(8, 8)]) == [8]


@pytest.mark.parametrize("wrong", [11, -11, 3600])
@pytest.mark.parametrize("key", [1, 2])
def test_one_time_that_is_wrong_moves_nothing_behind_it(wrong: int, key: int) -> None:
    clock = ProgramClock(0)
    for n in range(100):
        now = 0.04 * n
        clock.tick(round(now * S), now)
        for each in (1, 2):
            error = wrong if (n, each) == (50, key) else 0
            offset = clock.place(each, round((now + error) * S), now, leads=each == 1)
            assert abs(offset + error * S) <= 3600
            assert offset == 0 or error
    assert (clock.leading, clock.jumps) == (0, 1)
    assert clock.near(9 * S, 4.0, 9 * S) == 0


def test_data_takes_the_offset_that_puts_it_nearer_and_moves_nothing() -> None:
    clock = ProgramClock(0)
    assert clock.near(9 * S, 0.0, 0) == 0
    for time, now in [(0, 0), (0.04, 0.04), (1000, 0.08)]:
        clock.place(1, round(time * S), now, leads=True)
    assert clock.near(round(0.5 * S), 0.1, S) == 0
    assert clock.near(1001 * S, 0.1, S) == clock.offset
    assert clock.near(round(0.5 * S), 5.0, S) == clock.offset
    assert clock.jumps == 1


def test_the_longest_of_late_distances_fades() -> None:
    line = new_line(0, 0, 0.0)
    at = 0
    for step in (1000, 3000, 1000):
        at += step
        line.move(at, 0.0)
    assert line.step == 1000
    assert 2500 <= line.longest < 3000
    for _ in range(60):
        at += 1000
        line.move(at, 0.0)
    assert line.longest <= 1000 + FORGETS
