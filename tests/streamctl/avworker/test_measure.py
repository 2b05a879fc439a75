from __future__ import annotations

import pytest

from streamctl.avworker.measure import Range, SkewMeter, TrackMeter, VideoMeter
from streamctl.media.packet import Flag, Kind, Packet

FRAME = 3600
SIZE = b"x" * 100


def picture(kind: Kind, pts: int, dts: int | None = None, dur: int = FRAME) -> Packet:
    return Packet(0, pts, pts if dts is None else dts, kind, 0, SIZE, dur)


def run(packets: list[Packet]) -> VideoMeter:
    meter = VideoMeter()
    for packet in packets:
        meter.add(packet)
    return meter


def steady(count: int, gop: int, step: int = FRAME) -> list[Packet]:
    return [picture(Kind.P if n % gop else Kind.KEY, n * step, dur=step) for n in range(count)]


def test_groups_are_measured_between_keyframes() -> None:
    gop = run([*steady(60, 25), picture(Kind.KEY, 60 * FRAME)]).video().gop
    assert (gop.keyframes, gop.min_s, gop.max_s) == (4, 0.4, 1.0)
    assert (gop.min_frames, gop.avg_frames, gop.max_frames) == (10, 20.0, 25)


def test_a_constant_rate_is_not_variable() -> None:
    meter = run(steady(100, 50))
    assert (meter.fps, meter.variable) == (25.0, False)


def test_millisecond_rounding_is_not_variable() -> None:
    times = [round(n * 1000 / 29.97) * 90 for n in range(200)]
    meter = run([picture(Kind.P, time, dur=0) for time in times])
    assert meter.fps == pytest.approx(29.97, abs=0.02)
    assert not meter.variable


def test_a_variable_rate_is_told() -> None:
    times = [n * FRAME + (n % 3) * 1200 for n in range(100)]
    assert run([picture(Kind.P, time) for time in times]).variable


def test_holes_are_counted_and_do_not_lower_the_rate() -> None:
    packets = [*steady(50, 50), picture(Kind.P, 60 * FRAME), picture(Kind.P, 61 * FRAME)]
    meter = run(packets)
    assert meter.timestamps().gaps == 1
    assert meter.timestamps().largest_gap_s == 0.4
    assert meter.fps == 25.0


def test_b_frames_and_reordering_are_measured() -> None:
    order = [(Kind.KEY, 0), (Kind.P, 3), (Kind.B, 1), (Kind.B, 2), (Kind.P, 6), (Kind.B, 4)]
    packets = [picture(k, p * FRAME, (n - 2) * FRAME) for n, (k, p) in enumerate(order)]
    report = run(packets).video()
    assert (report.b_frames, report.reorder_frames) == (2, 1)


def test_open_groups_are_counted_once_each() -> None:
    order = [(Kind.KEY, 0), (Kind.KEY, 9), (Kind.B, 7), (Kind.B, 8), (Kind.P, 10)]
    packets = [picture(k, p * FRAME, n) for n, (k, p) in enumerate(order)]
    assert run(packets).video().gop.open_gops == 1


def test_disorder_is_counted() -> None:
    meter = run([picture(Kind.KEY, 0), picture(Kind.P, 0), picture(Kind.P, 5, 9)])
    assert meter.disorder == 1
    assert meter.pts_before_dts == 1


def test_an_empty_track_measures_nothing() -> None:
    meter = VideoMeter()
    assert (meter.fps, meter.typical, meter.variable, meter.span) == (0.0, 0, False, 0)
    assert meter.timestamps().first_pts_s is None


def test_bytes_span_and_damage() -> None:
    meter = TrackMeter()
    for number in range(10):
        meter.add(Packet(1, number * 1920, number * 1920, Kind.AUDIO, Flag.CORRUPT, SIZE, 1920))
    assert (meter.packets, meter.bytes, meter.span, meter.corrupt) == (10, 1000, 19_200, 10)


def test_skew_is_the_distance_at_the_same_place() -> None:
    skew = SkewMeter()
    for kind, dts in [(Kind.KEY, 100), (Kind.P, 50_000), (Kind.AUDIO, 0), (Kind.AUDIO, 50_000)]:
        skew.add(picture(kind, dts))
    assert skew.largest == 50_000


def test_a_range_without_numbers_is_zero() -> None:
    empty = Range()
    assert (empty.low, empty.high, empty.mean) == (0, 0, 0.0)
