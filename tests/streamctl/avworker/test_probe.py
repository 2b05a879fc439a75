from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from streamctl.avworker.probe import probe
from streamctl.avworker.report import ProbeReport
from streamctl.avworker.wire import ProbeJob, RecordType
from streamctl.errors import ConnectionFailed, MediaError
from streamctl.media.packet import TIMESCALE
from tests.support.media import Recipe
from tests.support.waiting import PATIENCE_S

from .made import encode
from .played import play, remux

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.avworker.report import TrackReport, VideoReport
    from streamctl.avworker.wire import Record
    from tests.support.media import MediaCache

GOOD = Recipe(seconds=6.0, gop=50)


def report_of(path: Path, duration_s: float = 0.0) -> ProbeReport:
    records: list[Record] = []
    job = ProbeJob(str(path), path.name, network=False, duration_s=duration_s, timeout_s=20)
    probe(job, records.append)
    assert [record.type for record in records] == [RecordType.REPORT]
    return ProbeReport.model_validate_json(records[0].payload)


def codes(report: ProbeReport) -> set[str]:
    return {finding.code for finding in report.findings}


def pictures(report: ProbeReport) -> tuple[TrackReport, VideoReport]:
    track = report.tracks[0]
    assert track.video is not None
    return track, track.video


@pytest.mark.parametrize("container", ["mp4", "flv", "ts"])
def test_a_good_file_is_measured_without_findings(media: MediaCache, container: str) -> None:
    report = report_of(media(replace(GOOD, container=container)).path)
    assert codes(report) == set()
    assert report.format == {"ts": "mpegts"}.get(container, container)
    assert report.analysed_s == pytest.approx(6.0, abs=0.1)
    track, video = pictures(report)
    assert (track.packets, track.level) == (150, "1.2")
    assert track.codec_string.startswith("avc1.")
    assert (video.width, video.height) == (320, 180)
    assert (video.fps_declared, video.fps_measured, video.variable_fps) == (25, 25, False)
    assert (video.gop.keyframes, video.gop.min_s, video.gop.max_s) == (3, 2.0, 2.0)
    assert (video.gop.min_frames, video.gop.max_frames, video.gop.open_gops) == (50, 50, 0)
    assert (video.b_frames, video.reorder_frames) == (0, 0)
    assert track.parameter_sets.present
    assert track.parameter_sets.in_band == (container == "ts")
    sound = report.tracks[1]
    assert sound.audio is not None
    assert (sound.codec_string, sound.audio.sample_rate, sound.audio.channels) == (
        "mp4a.40.2", 48_000, 2,
    )  # fmt: skip
    assert report.av_start_offset_ms == pytest.approx(0, abs=25)
    assert report.bitrate_kbps == pytest.approx(
        sum(each.bitrate_kbps for each in report.tracks), rel=0.1
    )


@pytest.mark.parametrize("container", ["mp4", "flv", "ts"])
def test_b_frames_are_found(media: MediaCache, container: str) -> None:
    report = report_of(media(replace(GOOD, bframes=2, container=container)).path)
    assert codes(report) == {"b_frames"}
    _, video = pictures(report)
    assert (video.b_frames, video.gop.max_frames) == (2, 50)


def test_long_groups_are_found(media: MediaCache) -> None:
    assert "gop_too_long" in codes(report_of(media(replace(GOOD, gop=150)).path))


def test_ntsc_and_missing_pictures(media: MediaCache) -> None:
    rate = Fraction(30000, 1001)
    report = report_of(media(replace(GOOD, fps=rate, container="flv")).path)
    assert pictures(report)[1].fps_measured == pytest.approx(29.97, abs=0.01)
    assert codes(report) == set()
    dropped = replace(GOOD, container="ts", drop_frames=(60, 61, 62, 63))
    report = report_of(media(dropped).path)
    assert "gaps" in codes(report)
    assert pictures(report)[0].timestamps.largest_gap_s == pytest.approx(0.16)


def test_one_medium_alone(media: MediaCache) -> None:
    assert codes(report_of(media(replace(GOOD, audio=False)).path)) == {"missing_audio"}
    report = report_of(media(replace(GOOD, video=False)).path)
    assert codes(report) == {"missing_video"}
    assert report.av_start_offset_ms is None


def test_a_late_start_of_the_sound_is_found(media: MediaCache, tmp_path: Path) -> None:
    played = play(media(GOOD).path)
    path = tmp_path / "late.ts"
    path.write_bytes(
        remux(played.tracks, [p for p in played.packets if p.track == 0 or p.dts > TIMESCALE])
    )
    report = report_of(path)
    assert report.av_start_offset_ms == pytest.approx(1000, abs=30)
    assert "av_start_skew" in codes(report)


def test_a_wrap_is_found(media: MediaCache, tmp_path: Path) -> None:
    played = play(media(GOOD).path)
    shift = (1 << 33) - 4 * TIMESCALE
    moved = [replace(p, pts=p.pts + shift, dts=p.dts + shift) for p in played.packets]
    path = tmp_path / "wrap.ts"
    path.write_bytes(remux(played.tracks, moved))
    report = report_of(path)
    assert report.timestamp_wraps == 1
    assert codes(report) == {"timestamp_wrap"}
    assert report.analysed_s == pytest.approx(6, abs=0.1)


def test_other_codecs_are_measured_and_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    encode(path, video="mpeg4", audio="pcm_f32le")
    report = report_of(path)
    assert [(track.codec, track.carried) for track in report.tracks] == [
        ("mpeg4", False),
        ("pcm_f32le", False),
    ]
    assert {"no_usable_track", "unsupported_codec"} <= codes(report)
    assert report.worst() == "error"
    _, video = pictures(report)
    assert video.width == 160
    assert video.fps_measured == pytest.approx(25, abs=0.1)


def test_only_the_wanted_duration_is_read(media: MediaCache) -> None:
    report = report_of(media(GOOD).path, duration_s=2)
    assert report.analysed_s == pytest.approx(2, abs=0.1)
    assert report.duration_s == pytest.approx(6, abs=0.1)


def test_a_local_playlist_is_followed(media: MediaCache, tmp_path: Path) -> None:
    segment = media(replace(GOOD, container="ts")).path
    (tmp_path / "a.ts").write_bytes(segment.read_bytes())
    path = tmp_path / "a.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n"
    )
    report = report_of(path)
    assert (report.format, len(report.tracks)) == ("hls", 2)
    assert report.tracks[0].packets == 150


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello" * 1000)
    with pytest.raises(MediaError):
        report_of(path)


def test_a_refused_connection_is_told_without_secrets() -> None:
    url = "http://127.0.0.1:1/a.ts?token=secret"
    job = ProbeJob(url, "http://127.0.0.1:1/a.ts?token=***", True, 5, 60)
    begin = time.monotonic()
    with pytest.raises(ConnectionFailed, match="can't reach") as caught:
        probe(job, lambda record: None)
    assert "secret" not in str(caught.value)
    assert time.monotonic() - begin < PATIENCE_S


def test_depth_and_range_are_told(media: MediaCache) -> None:
    _, video = pictures(report_of(media(Recipe(seconds=1)).path))
    assert (video.bit_depth, video.hdr) == (8, "")
