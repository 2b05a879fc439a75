from __future__ import annotations

import pytest

from streamctl.media.mpegts.psi import (
    PmtStream,
    descriptor,
    language_descriptor,
    registration_descriptor,
)
from streamctl.media.mpegts.streams import (
    Carriage,
    stream_kind,
    stream_language,
    stream_track,
)
from streamctl.media.packet import Codec, Track

AC3 = registration_descriptor(b"AC-3")


@pytest.mark.parametrize(
    ("stream_type", "descriptors", "codec"),
    [
        (0x02, b"", Codec.MPEG2),
        (0x03, b"", Codec.MP2),
        (0x0F, AC3, Codec.AAC),
        (0x1B, b"", Codec.H264),
        (0x24, b"", Codec.HEVC),
        (0x06, b"", Codec.DATA),
        (0x06, AC3, Codec.AC3),
        (0x06, descriptor(0x6A, b"\0"), Codec.AC3),
        (0x06, descriptor(0x7A, b"\0"), Codec.EAC3),
        (0x06, descriptor(0x56, b"eng\x09\0"), Codec.TELETEXT),
        (0x06, descriptor(0x59, b"eng\x10\0\1\0\1"), Codec.DVBSUB),
        (0x06, registration_descriptor(b"HEVC"), Codec.HEVC),
        (0x06, registration_descriptor(b"KLVA"), Codec.KLV),
        (0x06, registration_descriptor(b"AV01"), None),
        (0x06, descriptor(0x7F, b"\x80\2"), Codec.OPUS),
        (0x06, descriptor(0x7F, b"\x06\2"), Codec.DATA),
        (0x15, descriptor(0x26, b"\xff\xffID3 \xffID3 \0\x0f"), Codec.ID3),
        (0x15, descriptor(0x26, b"\1\0\xffKLVA\0\x0f"), Codec.KLV),
        (0x15, descriptor(0x26, b"\1\0\xffELSE\0\x0f"), Codec.DATA),
        (0x15, descriptor(0x6A, b"\0"), Codec.DATA),
        (0x81, b"", Codec.AC3),
        (0x86, b"", Codec.SCTE35),
        (0x86, registration_descriptor(b"DTS1"), None),
        (0x87, b"", Codec.EAC3),
        (0xDB, b"", None),
        (0x99, b"", None),
        (0x99, registration_descriptor(b"Opus"), Codec.OPUS),
    ],
)
def test_types_and_descriptors_tell_the_codec(
    stream_type: int, descriptors: bytes, codec: Codec | None
) -> None:
    stream = PmtStream(stream_type, 0x100, descriptors)
    assert stream_kind(stream).codec is codec
    track = stream_track(3, stream)
    assert (track and track.codec) is codec


def test_what_cant_be_read_still_has_a_name() -> None:
    titles = [stream_kind(PmtStream(kind, 1)).title for kind in (0x33, 0xCF, 0x99)]
    assert titles == ["VVC", "encrypted AAC", "stream type 0x99"]


def test_tables_travel_in_sections() -> None:
    kinds = [stream_kind(PmtStream(kind, 1)).carriage for kind in (0x0B, 0x86, 0x06)]
    assert kinds == [Carriage.SECTIONS, Carriage.SECTIONS, Carriage.PES]


def test_data_tracks_keep_what_the_map_says_of_them() -> None:
    info = descriptor(0x59, b"DEU\x10\0\1\0\1")
    track = stream_track(2, PmtStream(6, 0x100, info))
    assert track == Track(2, Codec.DVBSUB, b"\x06" + info, language="deu")


def test_sound_has_a_language() -> None:
    stream = PmtStream(3, 0x100, language_descriptor("fra"))
    assert stream_track(0, stream) == Track(0, Codec.MP2, language="fra")
    assert stream_language(PmtStream(6, 0x100, descriptor(0x56, b"\xff\xff\xff\x09\0"))) == ""
