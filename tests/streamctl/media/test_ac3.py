from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.ac3 import Ac3Frame, Ac3Reader, facts, frame_bytes
from streamctl.media.packet import Codec, Kind, Track

STEREO = bytes.fromhex("0b77fe95144043e106f46370c0c0")
SURROUND = bytes.fromhex("0b77e1e75e40ebf8403eff9dffc2")
SURROUND_LONGER = bytes.fromhex("0b77bb385f40ebf8403eff9dffc2")


@pytest.mark.parametrize(
    ("frame", "record", "rate", "channels"),
    [(STEREO, "101140", 48_000, 2), (SURROUND, "503de0", 44_100, 6)],
)
def test_records_are_those_that_muxers_write(
    frame: bytes, record: str, rate: int, channels: int
) -> None:
    reader = Ac3Reader()
    unit = reader.unit(frame)
    assert unit.config == bytes.fromhex(record)
    track = reader.track(Track(0, Codec.AC3))
    assert (track.sample_rate, track.channels, track.config) == (rate, channels, unit.config)


@pytest.mark.parametrize("acmod", range(8))
@pytest.mark.parametrize("lfe", [0, 1])
def test_channels(acmod: int, lfe: int) -> None:
    bits = f"00010100{8:05b}000{acmod:03b}"
    bits += "11" * ((acmod & 1 and acmod != 1) + (acmod >= 4) + (acmod == 2)) + str(lfe)
    frame = b"\x0b\x77\0\0" + int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
    assert Ac3Frame.parse(frame).stream.channels == (2, 1, 2, 3, 3, 4, 4, 5)[acmod] + lfe
    assert facts(Ac3Frame.parse(frame).dac3()).channels == (2, 1, 2, 3, 3, 4, 4, 5)[acmod] + lfe


def test_low_rates() -> None:
    frame = Ac3Frame.parse(b"\x0b\x77\0\0\x14\x48\x40\0")
    assert frame.stream.bsid == 9
    told = facts(frame.dac3())
    assert told.sample_rate == 24_000
    assert told.frame == 5760


def test_a_frame_has_a_duration() -> None:
    reader = Ac3Reader()
    assert reader.configure(b"") is None
    assert reader.unit(b"").data == b""
    unit = reader.unit(STEREO)
    assert (unit.data, unit.kind, unit.dur) == (STEREO, Kind.AUDIO, 2880)


def test_frames_that_alternate_in_length_are_one_stream() -> None:
    reader = Ac3Reader()
    assert reader.unit(SURROUND).config is not None
    assert reader.unit(SURROUND_LONGER).config is None
    assert reader.unit(STEREO).config is not None


@pytest.mark.parametrize(
    "frame",
    [b"", STEREO[:6], b"\x0b\x78" + STEREO[2:], STEREO[:4] + b"\xd4" + STEREO[5:],
     STEREO[:4] + b"\x26" + STEREO[5:], STEREO[:5] + b"\x80" + STEREO[6:]],
)  # fmt: skip
def test_other_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Ac3Frame.parse(frame)


@pytest.mark.parametrize("record", [b"", b"\x10", b"\xd0\x11\x40", b"\x2a\0\0"])
def test_other_records_are_refused(record: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        facts(record)


@given(st.binary(max_size=10), st.integers(0, 10))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(ProtocolError):
        Ac3Reader().unit(STEREO[:at] + noise + STEREO[at + len(noise) :])
    with contextlib.suppress(ProtocolError):
        facts(noise)


@pytest.mark.parametrize(
    ("code", "size"),
    [(0x14, 768), (0x54, 834), (0x55, 836), (0x94, 1152), (0x00, 128), (0x25, 2560), (0x65, 2788)],
)
def test_headers_tell_the_length_of_frames(code: int, size: int) -> None:
    assert frame_bytes(code) == size


@pytest.mark.parametrize("code", [0xC0, 0x26, 0x3F])
def test_reserved_headers_tell_no_length(code: int) -> None:
    with pytest.raises(RemoteProtocolError):
        frame_bytes(code)
