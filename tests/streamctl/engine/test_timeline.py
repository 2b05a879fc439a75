from __future__ import annotations

import pytest

from streamctl.engine.timeline import JUMP, ORIGIN, EpochClock, Timeline
from streamctl.media.packet import TIMESCALE, Kind, Packet

SECOND = TIMESCALE


def video(dts: int, *, pts: int | None = None, dur: int = 3600) -> Packet:
    return Packet(0, dts if pts is None else pts, dts, Kind.P, 0, b"v", dur)


def audio(dts: int, dur: int = 1920) -> Packet:
    return Packet(1, dts, dts, Kind.AUDIO, 0, b"a", dur)


def mapped(clock: EpochClock, packet: Packet, now: float) -> Packet:
    clock.map([packet], now)
    return packet


def test_first_epoch_starts_at_the_wall_position() -> None:
    timeline = Timeline(100.0)
    offset = timeline.offset_for(pts=5_000_000, dts=4_990_000, now=102.0, video=True)
    assert 4_990_000 + offset == ORIGIN + 2 * SECOND


def test_reconnect_never_steps_back_behind_what_was_emitted() -> None:
    timeline = Timeline(0.0)
    ahead = video(ORIGIN + 60 * SECOND)
    timeline.emitted([ahead])
    offset = timeline.offset_for(pts=0, dts=0, now=1.0, video=True)
    assert offset == ahead.pts + ahead.dur


def test_pictures_that_are_shown_much_later_than_decoded_follow_in_both_orders() -> None:
    timeline = Timeline(0.0)
    timeline.emitted([video(ORIGIN + 60 * SECOND)])
    offset = timeline.offset_for(pts=SECOND, dts=0, now=1.0, video=True)
    assert offset == timeline.last_dts + 1


def test_an_outage_stays_a_gap_of_its_true_length() -> None:
    timeline = Timeline(0.0)
    timeline.emitted([video(ORIGIN + SECOND)])
    offset = timeline.offset_for(pts=0, dts=0, now=31.0, video=True)
    assert offset == ORIGIN + 31 * SECOND


@pytest.mark.parametrize("drift", [-50e-6, 0.0, 50e-6])
def test_clocks_that_differ_for_weeks_make_an_outage_no_longer(drift: float) -> None:
    timeline, clock, now = Timeline(0.0), EpochClock(ORIGIN), 0.0
    for frame in range(28 * 24 * 60):
        now = frame * 60.0
        packet = mapped(clock, video(round(now * (1 + drift) * SECOND)), now)
        timeline.emitted([packet])
        timeline.keep_up(now)
    assert clock.jumps == 0
    assert timeline.outage_s(now) < 2
    offset = timeline.offset_for(pts=0, dts=0, now=now + 30, video=True)
    assert (offset - timeline.video_end) / SECOND < 32


def test_a_jump_is_noticed_after_weeks_of_a_slow_clock() -> None:
    clock, slow, last = EpochClock(0), 1 - 50e-6, 28 * 24 * 3600
    for now in range(0, last, 60):
        mapped(clock, video(round(now * slow * SECOND)), float(now))
    assert clock.jumps == 0
    after = mapped(clock, video(round((last * slow + 60) * SECOND)), float(last))
    assert clock.jumps == 1
    assert after.dts == pytest.approx(last * slow * SECOND, abs=SECOND)


def test_a_stall_and_an_outage_do_not_move_the_wall_position() -> None:
    timeline = Timeline(0.0)
    for second in range(300):
        late_s = 20 if 100 <= second < 140 else 0
        if not 200 <= second < 280:
            timeline.emitted([video(ORIGIN + (second - late_s) * SECOND, dur=SECOND)])
        timeline.keep_up(float(second))
    assert timeline.wall(300.0) == ORIGIN + 300 * SECOND


def test_a_time_that_is_damaged_holds_nothing_up() -> None:
    timeline, clock = Timeline(0.0), EpochClock(ORIGIN)
    for frame in range(50):
        late = 8_388 * SECOND if frame in {0, 25} else 7200
        packet = mapped(clock, video(frame * 3600, pts=frame * 3600 + late), frame * 0.04)
        timeline.emitted([packet])
    assert timeline.video_end == ORIGIN + 49 * 3600 + 7200 + 3600


def test_what_follows_a_picture_that_ran_back_lasts_no_longer_for_it() -> None:
    clock = EpochClock(0)
    timeline = Timeline(0.0)
    durations = []
    for frame in range(1000, 1025):
        late = JUMP - 9000 if frame == 1020 else 0
        packet = mapped(clock, video(frame * 3600 - late, dur=0), frame * 0.04)
        timeline.emitted([packet])
        durations.append(packet.dur)
        assert timeline.video_end <= (frame + 3) * 3600
    assert clock.disordered == 1
    assert max(durations) < 2 * 3600
    assert durations[-1] == 3600


def test_stall_and_burst_leaves_no_hole() -> None:
    clock = EpochClock(0)
    for frame in range(25):
        mapped(clock, video(frame * 3600), frame * 0.04)
    out = [mapped(clock, video(frame * 3600), 5.0).dts for frame in range(25, 125)]
    out += [mapped(clock, video(frame * 3600), frame * 0.04).dts for frame in range(125, 200)]
    assert out == [frame * 3600 for frame in range(25, 200)]
    assert clock.jumps == 0


def test_frames_dropped_during_a_stall_are_not_a_jump() -> None:
    clock = EpochClock(0)
    mapped(clock, video(0), 0.0)
    mapped(clock, video(3600), 0.04)
    mapped(clock, video(7200), 5.0)
    assert mapped(clock, video(5 * SECOND), 5.01).dts == 5 * SECOND
    assert clock.jumps == 0


def test_static_screen_with_seconds_between_frames_is_not_a_jump() -> None:
    clock = EpochClock(0)
    assert [mapped(clock, video(n * 5 * SECOND), n * 5.0).dts for n in range(4)] == [
        n * 5 * SECOND for n in range(4)
    ]
    assert clock.jumps == 0


@pytest.mark.parametrize("step", [10 * SECOND, -10 * SECOND, 1 << 32])
def test_a_jump_moves_the_whole_program_and_closes_the_gap(step: int) -> None:
    clock = EpochClock(0)
    start = 20 * SECOND
    now = 0.0
    for frame in range(10):
        now = frame * 0.04
        mapped(clock, video(start + frame * 3600), now)
        mapped(clock, audio(start + frame * 3600), now)
    jumped = mapped(clock, video(start + step + 10 * 3600), now + 0.04)
    late = mapped(clock, audio(start + 10 * 3600), now + 0.04)
    after = mapped(clock, audio(start + step + 11 * 3600), now + 0.08)
    assert jumped.dts == start + 10 * 3600
    assert late.dts == start + 10 * 3600
    assert after.dts == start + 11 * 3600
    assert clock.jumps == 1


@pytest.mark.parametrize("wrong_s", [1000, -1000, 5, -5, 100_000])
@pytest.mark.parametrize("track", [0, 1])
@pytest.mark.parametrize("count", [1, 3])
def test_times_that_are_wrong_for_a_moment_move_nothing_behind_them(
    wrong_s: int, track: int, count: int
) -> None:
    clock = EpochClock(ORIGIN)
    for frame in range(500):
        now = frame / 25
        for packet in (video(frame * 3600), audio(frame * 3600)):
            if packet.track == track and 100 <= frame < 100 + count:
                packet.dts = packet.pts = packet.dts + wrong_s * SECOND
            assert mapped(clock, packet, now).dts == pytest.approx(ORIGIN + frame * 3600, abs=4)
    assert clock.jumps == 1


@pytest.mark.parametrize("leap_s", [1000, -1000, 5, -5])
@pytest.mark.parametrize("track", [0, 1])
@pytest.mark.parametrize("then_s", [0, 777, -777])
def test_a_track_that_jumps_alone_goes_on_alone(leap_s: int, track: int, then_s: int) -> None:
    """Later it comes back, and then all of them jump."""
    clock = EpochClock(ORIGIN)
    for frame in range(1000):
        now, wrong = frame / 25, 100 <= frame < 250 or frame >= 500
        for packet in (video(frame * 3600), audio(frame * 3600)):
            leap = leap_s if wrong and packet.track == track else 0
            leap += then_s if frame >= 750 else 0
            packet.dts = packet.pts = packet.dts + leap * SECOND
            assert mapped(clock, packet, now).dts == pytest.approx(ORIGIN + frame * 3600, abs=4)
            assert packet.pts == packet.dts
    assert clock.jumps == 3 + bool(then_s)


@pytest.mark.parametrize("leap_s", [1000, -1000])
def test_a_track_that_was_silent_at_a_jump_belongs_where_the_others_are(leap_s: int) -> None:
    clock = EpochClock(ORIGIN)
    for frame in range(500):
        shown = frame * 3600 + (leap_s * SECOND if frame >= 100 else 0)
        for packet in (video(shown), audio(shown)):
            if packet.track == 0 or not 90 <= frame < 300:
                out = mapped(clock, packet, frame / 25)
                assert out.dts == pytest.approx(ORIGIN + frame * 3600, abs=4)


def test_the_offset_of_audio_against_video_is_kept_exactly() -> None:
    clock = EpochClock(777)
    pairs = [
        (mapped(clock, video(n * 3003), n / 30).pts, mapped(clock, audio(n * 3003 + 1234), n / 30))
        for n in range(300)
    ]
    assert {sound.pts - picture for picture, sound in pairs} == {1234}


def test_dts_rises_strictly_and_pts_never_precedes_it() -> None:
    clock = EpochClock(0)
    packets = [video(0), video(3600), video(3600), video(3000), video(7200)]
    clock.map(packets, 0.0)
    dts = [packet.dts for packet in packets]
    assert dts == sorted(set(dts))
    assert all(packet.pts >= packet.dts for packet in packets)
    assert clock.disordered == 2


def test_an_hour_at_ntsc_rate_and_cd_sampling_drifts_by_nothing() -> None:
    clock = EpochClock(0)
    frames = 3600 * 30
    last = Packet(0, 0, 0, Kind.P, 0, b"", 0)
    for frame in range(0, frames, 30):
        last = mapped(clock, video(round(frame * 3003)), frame * 1001 / 30000)
    assert last.dts == round((frames - 30) * 3003)
    samples = 44_100 * 3600
    sound = audio(0)
    for sample in range(0, samples, 44_100):
        sound = mapped(clock, audio(round(sample * SECOND / 44_100)), sample / 44_100)
    assert sound.dts == round((samples - 44_100) * SECOND / 44_100)


def test_missing_durations_are_filled_from_the_last_step() -> None:
    clock = EpochClock(0)
    packets = [video(0, dur=0), video(3600, dur=0), video(7200, dur=0)]
    clock.map(packets, 0.0)
    assert [packet.dur for packet in packets] == [0, 3600, 3600]


def test_step_just_below_the_limit_is_media_time() -> None:
    clock = EpochClock(0)
    mapped(clock, video(0), 0.0)
    assert mapped(clock, video(JUMP), 0.04).dts == JUMP
