from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.opus import OpusHead, OpusReader, facts, packet_ticks
from streamctl.media.packet import Codec, Kind, Track

STEREO = bytes.fromhex("4f707573486561640102380180bb0000000000")
SURROUND = bytes.fromhex("4f707573486561640106380180bb00000000010402000401020305")


def test_headers_of_real_encoders() -> None:
    assert OpusHead.parse(STEREO) == OpusHead(2, 312, 0, b"")
    assert OpusHead.parse(SURROUND) == OpusHead(6, 312, 1, bytes.fromhex("0402000401020305"))
    assert (facts(SURROUND).sample_rate, facts(SURROUND).channels) == (48_000, 6)


@pytest.mark.parametrize("data", [STEREO, SURROUND])
def test_headers_are_written_as_they_were_read(data: bytes) -> None:
    assert OpusHead.parse(data).serialize() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        STEREO[:-1],
        b"OpusTags" + STEREO[8:],
        STEREO[:8] + b"\x10" + STEREO[9:],
        STEREO[:9] + b"\0" + STEREO[10:],
        STEREO[:9] + b"\3" + STEREO[10:],
        SURROUND[:-1],
    ],
)
def test_other_headers_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        OpusHead.parse(data)


@pytest.mark.parametrize(
    ("data", "ms"),
    [
        (b"\x00", 10),
        (b"\x18", 60),
        (b"\x19", 120),
        (b"\x60", 10),
        (b"\x6a", 40),
        (b"\x80", 2.5),
        (b"\xfc", 20),
        (b"\xfd", 40),
        (b"\xff\x06", 120),
        (b"\xff\xc3", 60),
        (b"\xff\x00", 0),
        (b"\xff", 0),
        (b"", 0),
    ],
)
def test_packets_tell_their_duration(data: bytes, ms: float) -> None:
    assert packet_ticks(data) == 90 * ms


def test_packets_longer_than_they_may_be_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        packet_ticks(b"\xff\x07")


def test_a_reader_gives_packets_with_their_duration() -> None:
    reader = OpusReader()
    with pytest.raises(RemoteProtocolError):
        reader.unit(b"\xfc")
    assert reader.configure(STEREO) == STEREO
    assert reader.configure(STEREO) is None
    unit = reader.unit(b"\xfc\x7e")
    assert (unit.data, unit.kind, unit.dur, unit.config) == (b"\xfc\x7e", Kind.AUDIO, 1800, None)
    track = reader.track(Track(1, Codec.OPUS))
    assert (track.sample_rate, track.channels) == (48_000, 2)


@given(st.binary(max_size=40), st.integers(0, 27))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(ProtocolError):
        OpusHead.parse(SURROUND[:at] + noise)
    with contextlib.suppress(ProtocolError):
        packet_ticks(noise)
