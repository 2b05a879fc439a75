"""The properties of onMetaData."""

from __future__ import annotations

from typing import Any

import pytest

from streamctl.media.flv_metadata import Facts, Metadata, build_metadata, metadata
from streamctl.media.packet import Codec, Media, Track

NOTHING = Facts()


def said(video: Facts = NOTHING, audio: Facts = NOTHING) -> Metadata:
    return Metadata({0: video}, {0: audio})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, said()),
        (
            {
                "videocodecid": 7.0,
                "audiocodecid": 10.0,
                "width": 640.0,
                "height": 360.0,
                "framerate": 29.97,
                "videodatarate": 2500.0,
                "audiodatarate": 128.0,
                "audiosamplerate": 44_100.0,
                "audiochannels": 2.0,
            },
            said(
                Facts(Codec.H264, 640, 360, 29.97, bitrate=2_500_000),
                Facts(Codec.AAC, sample_rate=44_100, channels=2, bitrate=128_000),
            ),
        ),
        (
            {"videocodecid": "avc1", "audiocodecid": "mp4a"},
            said(Facts(Codec.H264), Facts(Codec.AAC)),
        ),
        ({"videocodecid": float(0x68766331)}, said(Facts(Codec.HEVC))),
        ({"audiocodecid": float(0x4F707573)}, said(audio=Facts(Codec.OPUS))),
        (
            {"videocodecid": 12.0, "audiocodecid": 2.0},
            said(Facts(Codec.HEVC), Facts(Codec.MP3)),
        ),
        # Codecs of the other medium, without a name, and without sense.
        ({"videocodecid": "Opus", "audiocodecid": "hvc1"}, said()),
        ({"videocodecid": 2.0, "audiocodecid": 11.0}, said()),
        ({"videocodecid": {"a": 1}, "audiocodecid": [10.0]}, said()),
        ({"videocodecid": float("nan"), "audiocodecid": float("inf")}, said()),
        ({"videocodecid": -1.0, "audiocodecid": "ÿÿÿÿ"}, said()),
        ({"videoframerate": 25.0}, said(Facts(fps=25.0))),
        (
            {"width": "640", "height": -1.0, "framerate": float("nan"), "videodatarate": True},
            said(),
        ),
        ({"width": float("inf"), "framerate": 1e9}, said()),
    ],
)
def test_the_facts_of_metadata(values: dict[str, Any], expected: Metadata) -> None:
    assert metadata(values) == expected


def test_further_tracks_say_what_differs_from_the_default_one() -> None:
    found = metadata(
        {
            "videocodecid": 7.0,
            "width": 1920.0,
            "height": 1080.0,
            "audiocodecid": 10.0,
            "videoTrackIdInfoMap": {
                "1": {"width": 640.0, "height": 360.0},
                "2": {"videocodecid": float(0x61763031)},
                "0": {"width": 1.0},
                "256": {"width": 1.0},
                "x": {"width": 1.0},
                "3": 7.0,
            },
            "audioTrackIdInfoMap": {"1": {"audiocodecid": "Opus", "samplerate": 48_000.0}},
        }
    )
    assert sorted(found.video) == [0, 1, 2]
    assert found.facts(Media.VIDEO, 1) == Facts(Codec.H264, 640, 360)
    assert found.facts(Media.VIDEO, 2) == Facts(Codec.AV1, 1920, 1080)
    assert found.facts(Media.AUDIO, 1) == Facts(Codec.OPUS, sample_rate=48_000)
    assert found.facts(Media.AUDIO, 7) == NOTHING


def test_metadata_describes_every_track() -> None:
    values = build_metadata(
        [
            Track(1, Codec.AAC, b"", sample_rate=44_100, channels=1, bitrate=96_000),
            Track(0, Codec.H264, b"", width=640, height=360, fps=25.0, bitrate=2_000_000),
            Track(2, Codec.OPUS, b"", sample_rate=48_000, channels=2),
        ]
    )
    further = {
        "audiocodecid": 0x4F707573,
        "audiosamplerate": 48_000,
        "audiosamplesize": 16,
        "audiochannels": 2,
        "stereo": True,
    }
    assert values == {
        "width": 640,
        "height": 360,
        "videocodecid": 7,
        "framerate": 25.0,
        "videodatarate": 2000.0,
        "audiocodecid": 10,
        "audiosamplerate": 44_100,
        "audiosamplesize": 16,
        "audiochannels": 1,
        "stereo": False,
        "audiodatarate": 96.0,
        "audioTrackIdInfoMap": {"1": further},
        "encoder": "streamctl",
    }
    assert metadata(values).facts(Media.AUDIO, 1).codec is Codec.OPUS


@pytest.mark.parametrize(
    ("codec", "codec_id"),
    [(Codec.HEVC, 0x68766331), (Codec.AV1, 0x61763031), (Codec.MP3, 2), (Codec.FLAC, 0x664C6143)],
)
def test_codecs_are_named_by_number_or_fourcc(codec: Codec, codec_id: int) -> None:
    assert build_metadata([Track(0, codec)])[f"{codec.media}codecid"] == codec_id


def test_metadata_leaves_out_what_is_unknown() -> None:
    assert build_metadata([]) == {"encoder": "streamctl"}
    values = build_metadata([Track(0, Codec.H264, b"")])
    assert "framerate" not in values
    assert "audiocodecid" not in values
    assert "audiodatarate" not in build_metadata([Track(0, Codec.AAC, b"")])
