"""FLV tag bodies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media import flv
from streamctl.media.flv import Tag, TagKind
from streamctl.media.packet import Codec

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
    ("95 61763031 aa", Tag(TagKind.OTHER, Codec.AV1, "AV1", True, 0, b"")),
    ("d1 00", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
    ("d4 61763031 aa", Tag(TagKind.OTHER, Codec.AV1, "AV1", False, 0, b"")),
    ("94 61766331 aa", Tag(TagKind.OTHER, Codec.H264, "H.264", True, 0, b"")),
    ("91 78787878 aa", Tag(TagKind.FRAME, None, "xxxx", True, 0, b"\xaa")),
    ("91 0a1b5bff aa", Tag(TagKind.FRAME, None, "\\n\\x1b[\\xff", True, 0, b"\xaa")),
    ("90 617663", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
    ("17", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
    ("", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
]
AUDIO: list[tuple[str, Tag]] = [
    ("af 00 1190", Tag(TagKind.CONFIG, Codec.AAC, "AAC", True, 0, b"\x11\x90")),
    ("af 01 21", Tag(TagKind.FRAME, Codec.AAC, "AAC", True, 0, b"\x21")),
    ("90 6d7034", Tag(TagKind.OTHER, None, "audio", False, 0, b"")),
    ("af 02 21", Tag(TagKind.OTHER, Codec.AAC, "AAC", True, 0, b"")),
    ("2f aabb", Tag(TagKind.FRAME, Codec.MP3, "MP3", True, 0, b"\xaa\xbb")),
    ("b2 aabb", Tag(TagKind.FRAME, None, "Speex", True, 0, b"\xaa\xbb")),
    ("f0 aabb", Tag(TagKind.FRAME, None, "audio codec 15", True, 0, b"\xaa\xbb")),
    ("90 6d703461 1190", Tag(TagKind.CONFIG, Codec.AAC, "AAC", True, 0, b"\x11\x90")),
    ("91 4f707573 aa", Tag(TagKind.FRAME, Codec.OPUS, "Opus", True, 0, b"\xaa")),
    ("92 6d703461", Tag(TagKind.END, Codec.AAC, "AAC", True, 0, b"")),
    ("94 6d703461 aa", Tag(TagKind.OTHER, Codec.AAC, "AAC", True, 0, b"")),
    ("76 aa", Tag(TagKind.FRAME, Codec.G711A, "G.711 A-law", True, 0, b"\xaa")),
    ("e2 aabb", Tag(TagKind.FRAME, Codec.MP3, "MP3", True, 0, b"\xaa\xbb")),
    ("af", Tag(TagKind.OTHER, None, "audio", False, 0, b"")),
]


@pytest.mark.parametrize(("octets", "tag"), VIDEO)
def test_video_bodies(octets: str, tag: Tag) -> None:
    assert flv.parse_video(bytes.fromhex(octets)) == tag


@pytest.mark.parametrize(("octets", "tag"), AUDIO)
def test_audio_bodies(octets: str, tag: Tag) -> None:
    assert flv.parse_audio(bytes.fromhex(octets)) == tag


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_nothing_raises(data: bytes) -> None:
    flv.parse_video(data)
    flv.parse_audio(data)


def av1(body: str, track: int = 0, nanos: int = 0) -> Tag:
    data = bytes.fromhex(body)
    return Tag(TagKind.FRAME, Codec.AV1, "AV1", False, 0, data, track, nanos)


def opus(body: str, track: int = 0, nanos: int = 0) -> Tag:
    return Tag(TagKind.FRAME, Codec.OPUS, "Opus", True, 0, bytes.fromhex(body), track, nanos)


def several(*parts: Tag) -> Tag:
    return Tag(TagKind.SEVERAL, None, "several tracks", False, 0, b"", parts=parts)


UNREADABLE = Tag(TagKind.OTHER, None, "several tracks", False, 0, b"")
EXTENDED_VIDEO: list[tuple[str, Tag]] = [
    # One track, with a number.
    ("a6 01 61763031 02 aa", av1("aa", 2)),
    ("96 00 61763031 02 81", Tag(TagKind.CONFIG, Codec.AV1, "AV1", True, 0, b"\x81", 2)),
    ("96 01 68766331 01 000028 aa", Tag(TagKind.FRAME, Codec.HEVC, "HEVC", True, 40, b"\xaa", 1)),
    # Several of one codec.
    ("a6 11 61763031 00 000001 aa 01 000002 bbbb", several(av1("aa"), av1("bbbb", 1))),
    ("a6 11 61763031 03 000001 aa", av1("aa", 3)),
    # Several of several codecs, of which the second is cut off.
    (
        "a6 21 61763031 00 000001 aa 76703039 01 000001 bb",
        several(av1("aa"), Tag(TagKind.FRAME, Codec.VP9, "VP9", False, 0, b"\xbb", 1)),
    ),
    ("a6 21 61763031 00 000001 aa 76703039 01 000009 bb", av1("aa")),
    ("a6 21 61763031 00 000001 aa 76703039 01 00", UNREADABLE),
    # Layouts and nestings that don't exist.
    ("a6 31 61763031 00 aa", UNREADABLE),
    ("a6 06 61763031 00 aa", UNREADABLE),
    ("a6 07 61763031 00 aa", UNREADABLE),
    ("a6 01 61763031", UNREADABLE),
    ("a6", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
    # Additions: a time, an unknown one, a long one, both before a numbered track.
    ("a7 02 0f423f 01 61763031 aa", av1("aa", nanos=999_999)),
    ("a7 02 0f4240 01 61763031 aa", av1("aa")),
    ("a7 02 000001 11 61763031 aa", av1("aa")),
    ("a7 00 00 07 02 000005 01 61763031 aa", av1("aa", nanos=5)),
    ("a7 ff 0100" + "00" * 257 + "01 61763031 aa", av1("aa")),
    ("a7 02 000007 06 01 61763031 02 aa", av1("aa", 2, 7)),
    ("a7 02 000007", UNREADABLE),
    ("a7 ff", UNREADABLE),
    ("d7 02 000007 01 61763031 aa", Tag(TagKind.OTHER, None, "video", False, 0, b"")),
]
EXTENDED_AUDIO: list[tuple[str, Tag]] = [
    ("95 01 4f707573 01 aa", opus("aa", 1)),
    ("95 11 4f707573 00 000001 aa 01 000001 bb", several(opus("aa"), opus("bb", 1))),
    ("95 04 4f707573 01 00", Tag(TagKind.OTHER, Codec.OPUS, "Opus", True, 0, b"", 1)),
    ("95 05 4f707573 01 aa", UNREADABLE),
    ("97 02 000064 01 4f707573 aa", opus("aa", nanos=100)),
    ("97 02", UNREADABLE),
]


@pytest.mark.parametrize(("octets", "tag"), EXTENDED_VIDEO)
def test_video_of_numbered_tracks_and_with_additions(octets: str, tag: Tag) -> None:
    data = bytes.fromhex(octets)
    assert flv.parse_video(data) == tag
    if len(data) > 5:
        assert flv.parse_video(data[:5], data[5:]) == tag


@pytest.mark.parametrize(("octets", "tag"), EXTENDED_AUDIO)
def test_audio_of_numbered_tracks_and_with_additions(octets: str, tag: Tag) -> None:
    assert flv.parse_audio(bytes.fromhex(octets)) == tag


def test_a_message_holds_no_more_tracks_than_there_are_numbers() -> None:
    tag = flv.parse_video(b"\xa6\x11av01" + b"\x00\x00\x00\x00" * 1000)
    assert len(tag.parts) == flv.MAX_PARTS


@settings(deadline=None)
@given(st.sampled_from([b"\xa6", b"\xa7", b"\x96", b"\x97"]), st.binary(max_size=40))
def test_no_addition_and_no_layout_raises(first: bytes, data: bytes) -> None:
    flv.parse_video(first + data)
    flv.parse_audio(first + data)
