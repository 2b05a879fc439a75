"""One time for several tracks: what reports correct, and what they don't."""

from __future__ import annotations

import pytest

from streamctl.media.rtp.rtcp import ntp_time
from streamctl.media.rtp.timing import CommonTime, TrackTime

RATE = 48_000


def tracks() -> tuple[CommonTime, TrackTime, TrackTime]:
    """Video from 1000 s, sound from 7000 s of their clocks; sound arrived 0.5 s too late."""
    video, sound = TrackTime(90_000), TrackTime(RATE)
    video.start(1000 * 90_000, 0, 0.0)
    sound.start(7000 * RATE, 45_000, 0.5)
    return CommonTime([video, sound]), video, sound


def report(track: TrackTime, wall_s: float, timestamp: int) -> None:
    track.report(ntp_time(wall_s), timestamp & 0xFFFFFFFF)


def test_without_reports_tracks_are_where_they_arrived() -> None:
    common, video, sound = tracks()
    common.align(at_once=sound)
    assert not common.known
    assert video.time(1000 * 90_000, 0.0) == 0
    assert sound.time(7000 * RATE, 0.5) == 45_000
    assert sound.time(7000 * RATE + 1024, 0.52) == 46_920


def test_reports_put_sound_beside_the_picture() -> None:
    common, video, sound = tracks()
    report(video, 50.0, 1000 * 90_000)
    assert not common.known
    common.align(at_once=sound)
    assert sound.peek(7000 * RATE) == 45_000
    report(sound, 50.0, 7000 * RATE)
    common.align(at_once=sound)
    assert common.known
    assert sound.time(7000 * RATE, 0.5) == pytest.approx(0, abs=1)
    assert video.time(1000 * 90_000, 0.5) == 0


def test_later_reports_move_sound_little_by_little() -> None:
    common, video, sound = tracks()
    sound.time(7000 * RATE, 0.5)
    report(video, 50.0, 1000 * 90_000)
    report(sound, 50.0, 7000 * RATE)
    common.align()
    last = 45_000
    for frame in range(1, 900):
        time = sound.time(7000 * RATE + frame * 1024, 0.5 + frame * 1024 / RATE)
        assert 1850 < time - last < 1930
        last = time
    assert last == pytest.approx(899 * 1920, abs=1)


def test_small_differences_are_left_alone() -> None:
    common, video, sound = tracks()
    report(video, 50.0, 1000 * 90_000)
    report(sound, 50.495, 7000 * RATE)
    common.align()
    sound.time(7000 * RATE + RATE, 1.5)
    assert sound.time(7000 * RATE + 2 * RATE, 2.5) == 45_000 + 180_000


def test_reports_that_contradict_the_arrivals_are_left_out() -> None:
    common, video, sound = tracks()
    report(video, 1_000_000.0, 1000 * 90_000)
    report(sound, 50.0, 7000 * RATE)
    common.align(at_once=sound)
    assert common.implausible == 1
    assert sound.peek(7000 * RATE) == 45_000


def test_reports_count_through_the_wrap_of_the_clock() -> None:
    video, sound = TrackTime(90_000), TrackTime(RATE)
    common = CommonTime([video, sound])
    video.start(0xFFFF_FFFF, 0, 0.0)
    sound.start(5, 9000, 0.1)
    report(video, 50.0, 0xFFFF_FFFF + 90_000)
    report(sound, 51.0, 5 + RATE)
    common.align(at_once=sound)
    assert sound.peek(5) == pytest.approx(90_000, abs=1)
    report(sound, 50.0, 5 - RATE + (1 << 32))
    common.align(at_once=sound)
    assert sound.peek(5) == pytest.approx(180_000, abs=1)


def test_a_clock_that_was_set_goes_on_where_it_was() -> None:
    _, video, _ = tracks()
    video.time(1000 * 90_000, 0.0)
    assert video.time(1000 * 90_000 + 3600, 0.04) == 3600
    assert video.time(5 * 90_000, 0.08) == 7200
    assert video.time(5 * 90_000 + 3600, 0.12) == 10_800
    assert video.time(50 * 90_000, 0.16) == 14_400
    assert video.jumps == 2


def test_a_stall_with_its_burst_and_a_still_picture_change_nothing() -> None:
    _, video, _ = tracks()
    assert video.time(1000 * 90_000 + 3600, 4.0) == 3600
    assert video.time(1000 * 90_000 + 7200, 4.0) == 7200
    assert video.time(1006 * 90_000, 10.0) == 540_000
    assert video.jumps == 0


def test_drift_between_the_tracks_is_corrected() -> None:
    """Sound runs 100 ppm fast for an hour; reports keep it within a few hundredths of a second."""
    common, video, sound = tracks()
    video.start(0, 0, 0.0)
    sound.start(0, 0, 0.0)
    worst = 0
    for second in range(1, 3601):
        now = float(second)
        fast = round(second * RATE * 1.0001)
        seen = video.time(second * 90_000, now), sound.time(fast, now)
        worst = max(worst, abs(seen[0] - seen[1]))
        if second % 5 == 0:
            report(video, now, second * 90_000)
            report(sound, now, fast)
            common.align()
    assert worst < 0.02 * 90_000


def test_a_new_beginning_forgets_the_clock() -> None:
    common, video, sound = tracks()
    report(video, 50.0, 0)
    sound.restart()
    common.align()
    assert sound.offset is None
    assert not common.known
    video.restart()
    common.align()
    assert not video.reported
