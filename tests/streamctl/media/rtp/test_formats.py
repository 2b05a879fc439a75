from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec, Media, Track
from streamctl.media.rtp.formats import (
    ENCODINGS,
    STATIC,
    TRANSPORT_STREAM,
    RtpFormat,
    format_in,
    format_of,
    track_of,
)
from streamctl.media.rtp.payloads import CODECS
from streamctl.media.sdp import MediaDescription
from tests.streamctl.media.rtp.packets import AAC, H264, HEVC, SEQUENCE, track

CONFIGS = {
    Codec.H264: track_of(H264, 0).config,
    Codec.HEVC: track_of(HEVC, 0).config,
    Codec.AV1: bytes.fromhex("81010c00") + SEQUENCE,
    Codec.VP9: bytes.fromhex("01000000000b820202020000"),
    Codec.AAC: b"\x12\x10",
    Codec.OPUS: OpusHead(2, 312, 0, b"").serialize(),
}
SURROUND = OpusHead(6, 312, 1, bytes.fromhex("0402000401020305")).serialize()


def section(*lines: str, kind: str = "video") -> MediaDescription:
    attributes = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    return MediaDescription(attributes, kind=kind, formats=("96",))


def told(rtp: RtpFormat) -> RtpFormat | None:
    """The format as SDP says it."""
    return format_in(MediaDescription(rtp.attributes), rtp.payload_type)


def sound(codec: Codec, rate: int = 48_000, channels: int = 2) -> Track:
    return replace(track(codec, CONFIGS.get(codec, b"")), sample_rate=rate, channels=channels)


def test_a_section_tells_the_format_of_a_payload_type() -> None:
    media = section(
        "rtpmap:97 rtx/90000", "rtpmap:96 h264/90000", "fmtp:96 packetization-mode=1;Foo=bar"
    )
    rtp = format_in(media, 96)
    assert rtp == RtpFormat(96, "H264", 90_000, 1, {"packetization-mode": "1", "foo": "bar"})
    assert (rtp.codec, rtp.media) == (Codec.H264, Media.VIDEO)


@pytest.mark.parametrize(
    ("number", "encoding", "codec", "media"),
    [
        (0, "PCMU", Codec.G711U, Media.AUDIO),
        (8, "PCMA", Codec.G711A, Media.AUDIO),
        (14, "MPA", Codec.MP3, Media.AUDIO),
        (33, TRANSPORT_STREAM, None, Media.VIDEO),
    ],
)
def test_some_payload_types_need_no_map(
    number: int, encoding: str, codec: Codec | None, media: Media
) -> None:
    rtp = format_in(section(), number)
    assert rtp == STATIC[number]
    assert (rtp.encoding, rtp.codec, rtp.media) == (encoding, codec, media)


@pytest.mark.parametrize(
    "lines", [[], ["rtpmap:96 H264"], ["rtpmap:96 H264/0"], ["rtpmap:96 H264/99999999"]]
)
def test_a_payload_type_of_no_meaning_has_no_format(lines: list[str]) -> None:
    assert format_in(section(*lines), 96) is None


@pytest.mark.parametrize(
    ("rtpmap", "codec"),
    [
        ("H265/90000", Codec.HEVC),
        ("MP4A-LATM/48000/2", Codec.AAC),
        ("opus/48000/2", Codec.OPUS),
        ("vnd.onvif.metadata/90000", None),
        ("mpeg4-generic/44100/2", Codec.AAC),
    ],
)
def test_encodings_are_codecs(rtpmap: str, codec: Codec | None) -> None:
    rtp = format_in(section(f"rtpmap:96 {rtpmap}"), 96)
    assert rtp is not None
    assert rtp.codec is codec
    assert rtp.media is (codec.media if codec else None)


def test_mpeg4_generic_may_be_something_else() -> None:
    rtp = RtpFormat(96, "MPEG4-GENERIC", 8000, 1, {"mode": "CELP-cbr"})
    assert rtp.codec is None
    with pytest.raises(ProtocolError):
        track_of(rtp, 0)


@pytest.mark.parametrize(
    ("rtp", "lines"),
    [
        (replace(H264, fmtp={}), ["96 H264/90000"]),
        (RtpFormat(97, "OPUS", 48_000, 2, {"a": "1", "b": ""}), ["97 opus/48000/2", "97 a=1;b"]),
        (STATIC[0], ["0 PCMU/8000"]),
    ],
)
def test_formats_are_written_as_attributes(rtp: RtpFormat, lines: list[str]) -> None:
    assert [value for _, value in rtp.attributes] == lines
    assert told(rtp) == rtp


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_what_a_track_is_sent_as_is_read_as_the_same_track(codec: Codec) -> None:
    sent = track(codec, CONFIGS.get(codec, b""))
    if codec.media is Media.AUDIO:
        sent = sound(codec)
    rtp = format_of(sent, 96)
    assert rtp is not None
    assert told(rtp) == rtp
    assert ENCODINGS[rtp.encoding] is (Codec.MP3 if codec is Codec.MP2 else codec)
    got = track_of(rtp, 0)
    if codec in {Codec.H264, Codec.HEVC, Codec.AAC, Codec.OPUS, Codec.G711A, Codec.G711U}:
        assert got.config == sent.config
    else:
        assert got.config is None


def test_aac_is_described_as_old_clients_want_it() -> None:
    rtp = format_of(sound(Codec.AAC, 44_100), 97)
    assert rtp is not None
    assert rtp.attributes == [
        ("rtpmap", "97 mpeg4-generic/44100/2"),
        (
            "fmtp",
            "97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            "indexdeltalength=3;config=1210",
        ),
    ]


def test_telephony_has_payload_types_of_its_own() -> None:
    assert format_of(sound(Codec.G711A, 8000, 1), 96) is STATIC[8]
    assert format_of(sound(Codec.G711U, 0, 0), 96) is STATIC[0]
    assert format_of(sound(Codec.G711U, 16_000, 1), 96) == RtpFormat(96, "PCMU", 16_000)
    assert format_of(sound(Codec.MP2), 96) is STATIC[14]


def test_surround_opus_has_an_encoding_of_its_own() -> None:
    sent = replace(track(Codec.OPUS, SURROUND), sample_rate=48_000, channels=6)
    rtp = format_of(sent, 96)
    assert rtp is not None
    assert rtp.attributes[0][1] == "96 multiopus/48000/6"
    assert track_of(rtp, 0).config == SURROUND


@pytest.mark.parametrize(
    "one",
    [
        track(Codec.H264, None),
        track(Codec.H264, b"\1"),
        track(Codec.AAC, b""),
        track(Codec.AAC, b"\xf8"),
        track(Codec.AC3, None),
        track(Codec.AC3, b""),
        track(Codec.OPUS, b"OpusHead"),
        track(Codec.FLAC, b""),
        track(Codec.TELETEXT, b""),
        track(Codec.VP9, b""),
    ],
    ids=str,
)
def test_what_can_not_be_described_has_no_format(one: Track) -> None:
    assert format_of(one, 96) is None


def test_tracks_have_what_the_map_tells() -> None:
    assert track_of(AAC, 3) == Track(3, Codec.AAC, b"\x12\x10", sample_rate=44_100, channels=2)
    assert track_of(STATIC[14], 1) == Track(1, Codec.MP3)
    assert track_of(H264, 0).width == 320
    assert track_of(RtpFormat(96, "AC3", 48_000, 6), 0).channels == 6


def test_other_encodings_are_no_tracks() -> None:
    with pytest.raises(ProtocolError, match="MP2T"):
        track_of(STATIC[33], 0)
