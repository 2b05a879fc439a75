from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.codecs import codec_string, describe
from streamctl.media.mpeg2video import Mpeg2Reader, facts, parse_picture
from streamctl.media.packet import Codec, Flag, Kind, Track

CODE = b"\0\0\1"
SEQUENCE = CODE + bytes.fromhex("b3 2d02403322e0d8a1")
"""720x576, 4:3, 25 fps."""
EXTENSION = CODE + bytes.fromhex("b5 1482 00 01 00 00")
"""Main profile at main level, interlaced."""
OPEN, CLOSED = CODE + bytes.fromhex("b8 00080000"), CODE + bytes.fromhex("b8 00080040")
SLICE = CODE + b"\x01\x2b\x90"


def picture(kind: int) -> bytes:
    return CODE + b"\0" + bytes((0, kind << 3, 0, 0)) + CODE + b"\xb5\x8f\xff\xf3\x41\x80" + SLICE


I, P, B = picture(1), picture(2), picture(3)  # noqa: E741


def test_an_intra_picture_behind_its_sequence_header_is_a_place_to_join() -> None:
    found = parse_picture(SEQUENCE + EXTENSION + OPEN + I)
    assert found is not None
    assert (found.kind, found.flags) == (Kind.KEY, Flag.OPEN_GOP)
    assert found.config == SEQUENCE + EXTENSION
    closed = parse_picture(SEQUENCE + CLOSED + I)
    assert closed is not None
    assert (closed.kind, closed.flags, closed.config) == (Kind.KEY, 0, SEQUENCE)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(I, Kind.P), (OPEN + I, Kind.P), (P, Kind.P), (B, Kind.B), (picture(7), Kind.P)],
)
def test_other_pictures_are_not(data: bytes, kind: Kind) -> None:
    found = parse_picture(data)
    assert found is not None
    assert (found.kind, found.flags) == (kind, 0)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\1", SLICE, SEQUENCE, SEQUENCE + EXTENSION + CODE + b"\0\0"]
)
def test_a_picture_header_must_be_there_in_full(data: bytes) -> None:
    assert parse_picture(data) is None


def test_a_reader_takes_the_configuration_from_the_stream() -> None:
    reader = Mpeg2Reader()
    with pytest.raises(RemoteProtocolError, match="before their sequence header"):
        reader.unit(P)
    first = SEQUENCE + EXTENSION + OPEN + I
    unit = reader.unit(first)
    assert (unit.data, unit.kind, unit.config) == (first, Kind.KEY, SEQUENCE + EXTENSION)
    assert reader.unit(first).config is None
    assert (reader.unit(B).kind, reader.unit(b"\0\0\1\xb7").data) == (Kind.B, b"")
    track = reader.track(Track(0, Codec.MPEG2))
    assert (track.width, track.height, track.fps) == (720, 576, 25.0)
    assert codec_string(track) == "mp4v.61"
    assert describe(track) == "MPEG-2 Main at Main, 720x576, 25 fps"


def test_mpeg_1_has_no_extension() -> None:
    told = facts(SEQUENCE)
    assert (told.title, told.name, told.fps) == ("MPEG-1 video", "mp4v.6a", 25.0)


def test_extensions_add_to_size_and_rate() -> None:
    wide = CODE + bytes.fromhex("b5 1a49 a0 01 00 21")
    told = facts(SEQUENCE + wide)
    assert (told.width, told.height, told.fps) == (720 + (3 << 12), 576 + (1 << 12), 25.0)
    assert (told.title, told.name) == ("MPEG-2 Spatial at High", "mp4v.63")


def test_professional_levels_have_their_numbers() -> None:
    told = facts(SEQUENCE + CODE + bytes.fromhex("b5 1752 00 01 00 00"))
    assert (told.title, told.name) == ("MPEG-2 7 at 5", "mp4v.61")


def test_an_unknown_rate_is_none() -> None:
    record = bytearray(SEQUENCE)
    record[7] |= 15
    assert facts(bytes(record)).fps == 0.0


@pytest.mark.parametrize(
    "record", [b"", SEQUENCE[:11], b"\0\0\1\xb5" + SEQUENCE[4:], SEQUENCE[:4] + bytes(8)]
)
def test_a_record_without_a_size_is_refused(record: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        facts(record)


@given(st.lists(st.sampled_from([CODE, SEQUENCE, EXTENSION, OPEN, I, B]) | st.binary(max_size=9)))
def test_noise_raises_protocol_errors_alone(parts: list[bytes]) -> None:
    with suppress(ProtocolError):
        Mpeg2Reader().unit(b"".join(parts))
