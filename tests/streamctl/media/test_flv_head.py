"""What stands before configurations and frames."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media import flv
from streamctl.media.flv import Tag, TagKind
from streamctl.media.flv_head import CODECS, UNRECORDED, heads, mp3_head
from streamctl.media.packet import Codec, Media, Track


def parse(codec: Codec, data: bytes) -> Tag:
    return flv.parse_video(data) if codec.media is Media.VIDEO else flv.parse_audio(data)


@pytest.mark.parametrize(
    ("codec", "start", "frame"),
    [
        (Codec.H264, b"\x17\x00\0\0\0cfg", b"\x27\x01\0\0\x28"),
        (Codec.HEVC, b"\x90hvc1cfg", b"\xa1hvc1\0\0\x28"),
        (Codec.AV1, b"\x90av01cfg", b"\xa1av01"),
        (Codec.VP9, b"\x90vp09cfg", b"\xa1vp09"),
        (Codec.AAC, b"\xaf\x00cfg", b"\xaf\x01"),
        (Codec.OPUS, b"\x90Opuscfg", b"\x91Opus"),
        (Codec.FLAC, b"\x90fLaCcfg", b"\x91fLaC"),
        (Codec.AC3, b"\x90ac-3", b"\x91ac-3"),
        (Codec.EAC3, b"\x90ec-3", b"\x91ec-3"),
        (Codec.MP3, b"", b"\x2f"),
    ],
)
def test_default_tracks(codec: Codec, start: bytes, frame: bytes) -> None:
    made = heads(Track(0, codec, b"cfg", sample_rate=44_100, channels=2))
    assert made.start == start
    assert made.head(False, 40) == frame


@settings(deadline=None)
@given(
    st.sampled_from(sorted(CODECS)),
    st.integers(0, 255),
    st.booleans(),
    st.integers(-0x800000, 0x7FFFFF),
    st.binary(min_size=1, max_size=20),
)
def test_what_is_written_is_read_as_the_same(
    codec: Codec, number: int, key: bool, cts: int, body: bytes
) -> None:
    made = heads(Track(0, codec, body), number)
    if made.start:
        tag = parse(codec, made.start)
        record = b"" if codec in UNRECORDED else body
        assert (tag.kind, tag.codec, tag.body) == (TagKind.CONFIG, codec, record)
        assert tag.track == number
    tag = parse(codec, made.head(key, cts) + body)
    assert (tag.kind, tag.codec, tag.body, tag.track) == (TagKind.FRAME, codec, body, number)
    assert tag.key is (key or codec.media is Media.AUDIO)
    assert tag.cts == (cts if codec in flv.COMPOSED else 0)


@pytest.mark.parametrize("codec", sorted(CODECS - UNRECORDED))
def test_a_track_without_a_configuration_starts_no_sequence(codec: Codec) -> None:
    assert heads(Track(0, codec, None)).start == b""


@pytest.mark.parametrize(
    ("rate", "channels", "octet"),
    [
        (48_000, 2, 0x2F),
        (44_100, 1, 0x2E),
        (32_000, 2, 0x2F),
        (24_000, 2, 0x2B),
        (22_050, 2, 0x2B),
        (16_000, 1, 0x26),
        (11_025, 1, 0x26),
        (8_000, 1, 0xE6),
        (0, 0, 0x27),
    ],
)
def test_mp3_says_the_nearest_rate_that_has_a_code(rate: int, channels: int, octet: int) -> None:
    assert mp3_head(rate, channels) == bytes((octet,))
