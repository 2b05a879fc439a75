from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.avworker.findings import judge
from streamctl.avworker.report import (
    AudioReport,
    GopReport,
    ParameterSetReport,
    ProbeReport,
    TimestampReport,
    TrackReport,
    VideoReport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GOP = GopReport(keyframes=5, min_s=2, avg_s=2, max_s=2)


def good() -> ProbeReport:
    return ProbeReport(
        target="a.mp4",
        format="mp4",
        analysed_s=10,
        av_start_offset_ms=5,
        tracks=[
            TrackReport(
                id=0,
                media="video",
                codec="h264",
                carried=True,
                packets=250,
                duration_s=10,
                video=VideoReport(width=320, height=180, gop=GOP),
                parameter_sets=ParameterSetReport(present=True),
            ),
            TrackReport(
                id=1,
                media="audio",
                codec="aac",
                carried=True,
                packets=470,
                duration_s=10,
                audio=AudioReport(sample_rate=48_000, channels=2),
                parameter_sets=ParameterSetReport(present=True),
            ),
        ],
    )


def video(report: ProbeReport) -> VideoReport:
    found = report.tracks[0].video
    assert found is not None
    return found


def set_gop(report: ProbeReport, **values: float) -> None:
    video(report).gop = GOP.model_copy(update=values)


def replace_codec(report: ProbeReport) -> None:
    report.tracks[0].codec = "hevc"
    report.tracks[0].carried = False


def add_second_language(report: ProbeReport) -> None:
    opus = report.tracks[1].model_copy(update={"id": 2, "codec": "opus", "carried": False})
    report.tracks.append(opus)


def set_times(report: ProbeReport, **values: float) -> None:
    report.tracks[0].timestamps = TimestampReport.model_validate(values)


FAULTS: list[tuple[Callable[[ProbeReport], object], str, str]] = [
    (lambda r: r.tracks.clear(), "no_usable_track", "error"),
    (replace_codec, "unsupported_codec", "error"),
    (add_second_language, "unsupported_codec", "warning"),
    (lambda r: r.tracks.pop(1), "missing_audio", "warning"),
    (lambda r: r.tracks.pop(0), "missing_video", "info"),
    (lambda r: setattr(r, "av_start_offset_ms", 201), "av_start_skew", "warning"),
    (lambda r: setattr(r, "av_start_offset_ms", -900), "av_start_skew", "warning"),
    (lambda r: setattr(r, "interleave_skew_ms", 1500), "interleave_skew", "warning"),
    (lambda r: setattr(r, "timestamp_wraps", 1), "timestamp_wrap", "info"),
    (lambda r: set_times(r, dts_disorder=3), "dts_disorder", "error"),
    (lambda r: set_times(r, pts_before_dts=3), "pts_before_dts", "error"),
    (lambda r: set_times(r, gaps=1, largest_gap_s=0.4), "gaps", "warning"),
    (lambda r: setattr(r.tracks[0], "corrupt", 2), "corrupt_packets", "warning"),
    (
        lambda r: setattr(r.tracks[0], "parameter_sets", ParameterSetReport()),
        "missing_parameter_sets",
        "error",
    ),
    (
        lambda r: setattr(r.tracks[0].parameter_sets, "changes", 2),
        "changing_parameter_sets",
        "warning",
    ),
    (lambda r: set_gop(r, keyframes=0), "no_keyframe", "error"),
    (lambda r: set_gop(r, max_s=4.2), "gop_too_long", "warning"),
    (lambda r: set_gop(r, keyframes=1, max_s=0), "gop_too_long", "warning"),
    (lambda r: set_gop(r, open_gops=3), "open_gop", "info"),
    (lambda r: setattr(video(r), "b_frames", 2), "b_frames", "info"),
    (lambda r: setattr(video(r), "reorder_frames", 1), "b_frames", "info"),
    (lambda r: setattr(video(r), "variable_fps", True), "variable_frame_rate", "warning"),
]


def test_a_good_source_has_no_findings() -> None:
    assert judge(good()) == []


@pytest.mark.parametrize(("spoil", "code", "severity"), FAULTS)
def test_each_fault_is_found(
    spoil: Callable[[ProbeReport], object], code: str, severity: str
) -> None:
    report = good()
    spoil(report)
    assert (code, severity) in [(finding.code, finding.severity) for finding in judge(report)]


def test_the_gravest_findings_come_first() -> None:
    report = good()
    video(report).b_frames = 2
    set_times(report, dts_disorder=1)
    severities = [finding.severity for finding in judge(report)]
    assert severities == ["error", "info"]
    assert report.model_copy(update={"findings": judge(report)}).worst() == "error"
    assert report.worst() is None


def test_groups_are_not_judged_without_pictures() -> None:
    report = good()
    report.tracks[0].packets = 0
    set_gop(report, keyframes=0)
    assert [finding.code for finding in judge(report)] == []


def test_announced_tracks_without_packets_are_not_judged() -> None:
    report = good()
    silent = {"id": 2, "codec": "mp3", "carried": False, "packets": 0}
    report.tracks.append(report.tracks[1].model_copy(update=silent))
    assert judge(report) == []
