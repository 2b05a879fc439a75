"""FLV tag bodies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media import flv
from streamctl.media.flv import Metadata, Tag, TagKind
from streamctl.media.packet import Codec, Track

VIDEO: list[tuple[str, Tag]] = [
    ("17 00 000000 0164", Tag(TagKind.CONFIG, Codec.H264, "H.264", True, 0, b"\x01\x64")),
    ("17 01 000050 aa", Tag(TagKind.FRAME, Codec.H264, "H.264", True, 80, b"\xaa")),
    ("27 01 ffffd8 aa", Tag(TagKind.FRAME, Codec.H264, "H.264", False, -40, b"\xaa")),
    ("27 01 800000", Tag(TagKind.FRAME, Codec.H264, "H.264", False, -0x800000, b"")),
    ("17 02 000000", Tag(TagKind.END, Codec.H264, "H.264", True, 0, b"")),
    ("17 03 000000", Tag(TagKind.OTHER, Codec.H264, "H.264", True, 0, b"")),
    ("17 01 0000", Tag(TagKind.OTHER, Codec.H264, "H.264", True, 0, b"")),
    ("57 00", Tag(TagKind.OTHER, Codec.H264, "H.264", False, 0, b"")),
    ("1c 01 000000 aa", Tag(TagKind.FRAME, Codec.HEVC, "HEVC", True, 0, b"\xaa")),
    ("22 aa", Tag(TagKind.FRAME, None, "Sorenson H.263", False, 0, b"\xaa")),
    ("1f aa", Tag(TagKind.FRAME, None, "video codec 15", True, 0, b"\xaa")),
    ("90 61766331 01", Tag(TagKind.CONFIG, Codec.H264, "H.264", True, 0, b"\x01")),
    ("91 61766331 000028 aa", Tag(TagKind.FRAME, Codec.H264, "H.264", True, 40, b"\xaa")),
    ("a1 68766331 ffffff aa", Tag(TagKind.FRAME, Codec.HEVC, "HEVC", False, -1, b"\xaa")),
    ("a1 68766331 ffff", Tag(TagKind.OTHER, Codec.HEVC, "HEVC", False, 0, b"")),
    ("a3 61766331 aa", Tag(TagKind.FRAME, Codec.H264, "H.264", False, 0, b"\xaa")),
    ("a1 61763031 aa", Tag(TagKind.FRAME, Codec.AV1, "AV1", False, 0, b"\xaa")),
    ("92 76703039", Tag(TagKind.END, Codec.VP9, "VP9", True, 0, b"")),
    ("94 61766331 aa", Tag(TagKind.OTHER, Codec.H264, "H.264", True, 0, b"")),
    ("91 78787878 aa", Tag(TagKind.FRAME, None, "xxxx", True, 0, b"\xaa")),
    ("91 ff", Tag(TagKind.FRAME, None, "\\xff", True, 0, b"")),
    ("17", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
    ("", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
]
AUDIO: list[tuple[str, Tag]] = [
    ("af 00 1190", Tag(TagKind.CONFIG, Codec.AAC, "AAC", True, 0, b"\x11\x90")),
    ("af 01 21", Tag(TagKind.FRAME, Codec.AAC, "AAC", True, 0, b"\x21")),
    ("af 02 21", Tag(TagKind.OTHER, Codec.AAC, "AAC", True, 0, b"")),
    ("2f aabb", Tag(TagKind.FRAME, Codec.MP3, "MP3", True, 0, b"\xaa\xbb")),
    ("b2 aabb", Tag(TagKind.FRAME, None, "Speex", True, 0, b"\xaa\xbb")),
    ("f0 aabb", Tag(TagKind.FRAME, None, "audio codec 15", True, 0, b"\xaa\xbb")),
    ("90 6d703461 1190", Tag(TagKind.CONFIG, Codec.AAC, "AAC", True, 0, b"\x11\x90")),
    ("91 4f707573 aa", Tag(TagKind.FRAME, Codec.OPUS, "Opus", True, 0, b"\xaa")),
    ("92 6d703461", Tag(TagKind.END, Codec.AAC, "AAC", True, 0, b"")),
    ("95 6d703461 aa", Tag(TagKind.OTHER, Codec.AAC, "AAC", True, 0, b"")),
    ("af", Tag(TagKind.OTHER, None, "audio", False, 0, b"")),
]


@pytest.mark.parametrize(("octets", "tag"), VIDEO)
def test_video_bodies(octets: str, tag: Tag) -> None:
    assert flv.parse_video(bytes.fromhex(octets)) == tag


@pytest.mark.parametrize(("octets", "tag"), AUDIO)
def test_audio_bodies(octets: str, tag: Tag) -> None:
    assert flv.parse_audio(bytes.fromhex(octets)) == tag


@given(st.binary(max_size=40))
def test_nothing_raises(data: bytes) -> None:
    flv.parse_video(data)
    flv.parse_audio(data)


@given(st.booleans(), st.integers(-0x800000, 0x7FFFFF), st.binary(max_size=20))
def test_frames_survive_a_round_trip(key: bool, cts: int, body: bytes) -> None:
    tag = flv.parse_video(flv.video_header(key, cts) + body)
    assert tag == Tag(TagKind.FRAME, Codec.H264, "H.264", key, cts, body)


def test_headers_are_read_as_what_they_are() -> None:
    assert flv.parse_video(flv.AVC_CONFIG + b"c").kind is TagKind.CONFIG
    assert flv.parse_audio(flv.AAC_CONFIG + b"c").kind is TagKind.CONFIG
    assert flv.parse_audio(flv.AAC_FRAME + b"f").body == b"f"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Metadata(False, False)),
        (
            {
                "videocodecid": 7.0,
                "audiocodecid": 10.0,
                "width": 640.0,
                "height": 360.0,
                "framerate": 29.97,
                "videodatarate": 2500.0,
                "audiodatarate": 128.0,
            },
            Metadata(True, True, 640, 360, 29.97, 2_500_000, 128_000),
        ),
        ({"videocodecid": "avc1", "audiocodecid": "mp4a"}, Metadata(True, True)),
        ({"videocodecid": float(0x61766331)}, Metadata(True, False)),
        ({"videocodecid": 12.0, "audiocodecid": 2.0}, Metadata(False, False)),
        ({"videocodecid": {"a": 1}, "audiocodecid": [10.0]}, Metadata(False, False)),
        ({"videoframerate": 25.0}, Metadata(False, False, fps=25.0)),
        (
            {"width": "640", "height": -1.0, "framerate": float("nan"), "videodatarate": True},
            Metadata(False, False),
        ),
        ({"width": float("inf"), "framerate": 1e9}, Metadata(False, False)),
    ],
)
def test_the_facts_of_metadata(values: dict[str, Any], expected: Metadata) -> None:
    assert flv.metadata(values) == expected


def test_metadata_describes_the_first_track_of_each_medium() -> None:
    values = flv.build_metadata(
        [
            Track(1, Codec.AAC, b"", sample_rate=44_100, channels=1, bitrate=96_000),
            Track(0, Codec.H264, b"", width=640, height=360, fps=25.0, bitrate=2_000_000),
            Track(2, Codec.AAC, b"", sample_rate=48_000, channels=2),
        ]
    )
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
        "encoder": "streamctl",
    }
    assert flv.metadata(values).video


def test_metadata_leaves_out_what_is_unknown() -> None:
    assert flv.build_metadata([]) == {"encoder": "streamctl"}
    values = flv.build_metadata([Track(0, Codec.H264, b"")])
    assert "framerate" not in values
    assert "audiocodecid" not in values
    assert "audiodatarate" not in flv.build_metadata([Track(0, Codec.AAC, b"")])
