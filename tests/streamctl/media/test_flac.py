from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.flac import FlacReader, StreamInfo, block_size, facts, streaminfo
from streamctl.media.packet import Codec, Kind, Track

INFO = bytes.fromhex("0400040000010d00017f0bb802f000017700aaed528a0103055880dd561c98433b6e")
FRAME = bytes.fromhex("fff8aa88005b4c000000a6014c01f202")


def header(size_code: int, number: bytes = b"\0", rest: bytes = b"") -> bytes:
    return b"\xff\xf8" + bytes((size_code << 4 | 10, 0x18)) + number + rest + b"\x5a\x5a"


def test_stream_information_of_a_real_encoder() -> None:
    assert StreamInfo.parse(INFO) == StreamInfo(1024, 1024, 48_000, 2, 16)
    assert facts(INFO).frame == 1920
    assert facts(b"\x03\xff" + INFO[2:]).frame is None


@pytest.mark.parametrize(
    "record",
    [
        INFO,
        b"\x80\0\0\x22" + INFO,
        b"fLaC\x80\0\0\x22" + INFO,
        b"fLaC\0\0\0\x22" + INFO + b"\x84\0\0\0",
    ],
)
def test_the_block_is_found_in_every_form(record: bytes) -> None:
    reader = FlacReader()
    assert reader.configure(record) == INFO
    assert reader.configure(record) is None
    track = reader.track(Track(0, Codec.FLAC))
    assert (track.sample_rate, track.channels, track.config) == (48_000, 2, INFO)


@pytest.mark.parametrize(
    "record",
    [b"", INFO[:-1], b"fLaC", b"fLaC" + INFO, b"fLaC\x04\0\0\x22" + INFO, INFO + b"??",
     bytes(34), b"\4\0\3\xff" + INFO[4:]],
)  # fmt: skip
def test_other_records_are_refused(record: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        FlacReader().configure(record)


@pytest.mark.parametrize(
    ("frame", "samples"),
    [
        (FRAME, 1024),
        (header(1), 192),
        (header(2), 576),
        (header(5), 4608),
        (header(6, rest=b"\xff"), 256),
        (header(6, b"\xc4\x80", b"\x0f"), 16),
        (header(7, b"\xfe" + b"\x80" * 6, b"\x12\x34"), 0x1235),
        (header(8), 256),
        (header(15), 32_768),
    ],
)
def test_frames_tell_their_samples(frame: bytes, samples: int) -> None:
    assert block_size(frame) == samples


@pytest.mark.parametrize(
    "frame",
    [b"\xff\xf8", b"\x7f\xf8" + FRAME[2:], header(0), header(6, b"\x80"), header(6, b"\xff"),
     header(7, b"\xfe", b"\0")],
)  # fmt: skip
def test_other_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        block_size(frame)


def test_a_reader_gives_frames_with_their_duration() -> None:
    reader = FlacReader()
    with pytest.raises(RemoteProtocolError):
        reader.unit(FRAME)
    reader.configure(INFO)
    unit = reader.unit(FRAME)
    assert (unit.data, unit.kind, unit.dur) == (FRAME, Kind.AUDIO, 1920)
    assert reader.unit(header(1)).dur == 360
    assert reader.unit(b"").data == b""


@given(st.binary(max_size=60), st.integers(0, 16))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(ProtocolError):
        block_size(FRAME[:at] + noise)
    with contextlib.suppress(ProtocolError):
        facts(streaminfo(b"fLaC\0\0\0\x22"[: at % 9] + noise))
