from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.codecs import TITLES, codec_string, complete, describe, frame_duration
from streamctl.media.h264 import AvcConfig
from streamctl.media.packet import Codec, Track
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_BASELINE

AVC = AvcConfig.from_parameter_sets([SPS_720P], [PPS]).serialize()
VIDEO = Track(0, Codec.H264, AVC)
AUDIO = Track(1, Codec.AAC, b"\x12\x10")
TORN = [Track(0, Codec.H264, b"\x01"), Track(1, Codec.AAC, b"\x11")]
WITHOUT = [Track(0, Codec.H264), Track(1, Codec.AAC), Track(1, Codec.AAC, b"")]


@pytest.mark.parametrize(
    ("track", "wanted"),
    [
        (VIDEO, "avc1.64001f"),
        (AUDIO, "mp4a.40.2"),
        (Track(0, Codec.AAC, bytes.fromhex("2b118800")), "mp4a.40.5"),
        (Track(0, Codec.MP3, b""), "mp4a.40.34"),
        (Track(0, Codec.OPUS), "opus"),
        (Track(0, Codec.HEVC, b"\x01"), ""),
        (Track(0, Codec.VP9, bytes.fromhex("01000000000b820202020000")), "vp09.00.11.08"),
        *((track, "") for track in TORN + WITHOUT),
    ],
)
def test_codec_strings(track: Track, wanted: str) -> None:
    assert codec_string(track) == wanted


def test_a_config_completes_its_track() -> None:
    video = complete(VIDEO)
    assert (video.width, video.height, video.fps) == (1280, 720, 29.97)
    audio = complete(AUDIO)
    assert (audio.sample_rate, audio.channels) == (44_100, 2)
    assert complete(video) == video


def test_a_declared_frame_rate_is_kept_and_declared_sizes_are_not() -> None:
    video = complete(replace(VIDEO, fps=59.94, width=640, height=480))
    assert (video.width, video.height, video.fps) == (1280, 720, 59.94)


@pytest.mark.parametrize("track", [*TORN, *WITHOUT, Track(0, Codec.OPUS, b"x", channels=2)])
def test_without_a_readable_config_nothing_changes(track: Track) -> None:
    assert complete(track) is track


@pytest.mark.parametrize(
    ("track", "wanted"),
    [
        (AUDIO, 2090),
        (Track(0, Codec.AAC, b"\x11\x90"), 1920),
        (Track(0, Codec.AAC, bytes.fromhex("1194")), 1800),
        (Track(0, Codec.AAC, bytes.fromhex("2b118800")), 3840),
        (Track(0, Codec.MP3, b"", sample_rate=48_000), 2160),
        (Track(0, Codec.MP3, b"", sample_rate=24_000), 2160),
        (Track(0, Codec.AC3, b"", sample_rate=48_000), 2880),
        (Track(0, Codec.MP3, b""), 0),
        (Track(0, Codec.OPUS, sample_rate=48_000), 0),
        (Track(0, Codec.H264, fps=25.0), 3600),
        (Track(0, Codec.H264, fps=30_000 / 1001), 3003),
        (Track(0, Codec.H264), 0),
        *((track, 0) for track in TORN + WITHOUT),
    ],
)
def test_frame_durations(track: Track, wanted: int) -> None:
    assert frame_duration(track) == wanted


@pytest.mark.parametrize(
    ("track", "wanted"),
    [
        (complete(VIDEO), "H.264 High 3.1, 1280x720, 29.97 fps"),
        (complete(AUDIO), "AAC, 44.1 kHz, stereo"),
        (
            complete(Track(0, Codec.AAC, bytes.fromhex("11a8"), language="deu")),
            "AAC, 48 kHz, 5 channels, deu",
        ),
        (complete(Track(0, Codec.AAC, bytes.fromhex("eb098800"))), "HE-AAC v2, 48 kHz, stereo"),
        (
            Track(0, Codec.H264, AvcConfig.from_parameter_sets([SPS_BASELINE], [PPS]).serialize()),
            "H.264 Baseline 3.0",
        ),
        (
            Track(0, Codec.H264, b"\x01\x55\0\x1f" + AVC[4:], fps=25.0),
            "H.264 profile 85 3.1, 25 fps",
        ),
        (TORN[0], "H.264"),
        (WITHOUT[1], "AAC"),
        (Track(0, Codec.OPUS, channels=1), "Opus, mono"),
    ],
)
def test_descriptions(track: Track, wanted: str) -> None:
    assert describe(track) == wanted


def test_every_codec_has_a_title() -> None:
    assert set(TITLES) == set(Codec)
