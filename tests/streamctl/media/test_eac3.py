from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.eac3 import Eac3Reader, dec3, facts, parse_frame, parse_frames
from streamctl.media.packet import Codec, Kind, Track

STEREO = bytes.fromhex("0b77017f3487c0002084210838008c06").ljust(768, b"\x18")
SURROUND = bytes.fromhex("0b77037f3f87c00020f820000200400004").ljust(1792, b"\x18")


def frame(  # the fields of a header
    *,
    kind: int = 0,
    number: int = 0,
    size: int = 64,
    rate: str = "00",
    blocks: int = 3,
    acmod: int = 2,
    lfe: int = 0,
    bsid: int = 16,
    rest: str = "00000" + "0",
) -> bytes:
    bits = f"{kind:02b}{number:03b}{size // 2 - 1:011b}{rate}{blocks:02b}{acmod:03b}{lfe}{bsid:05b}"
    bits = (bits + rest).ljust(80, "0")
    return (b"\x0b\x77" + int(bits, 2).to_bytes(10, "big")).ljust(size, b"\x5a")


CHANMAP = "00000" + "0" + "1"
BACKS = frame(kind=1, rest=CHANMAP + f"{1 << 9:016b}")
HEIGHTS = frame(kind=1, number=1, rest="00000" + "1" + "0" * 8 + "1" + f"{1 << 4 | 1 << 3:016b}")
LONE = frame(kind=1, acmod=0, rest="00000" + "0" + "00000" + "0" + "0")


@pytest.mark.parametrize(
    ("data", "record", "channels"), [(STEREO, "0600200400", 2), (SURROUND, "0e00200f00", 6)]
)
def test_records_are_those_that_muxers_write(data: bytes, record: str, channels: int) -> None:
    reader = Eac3Reader()
    unit = reader.unit(data)
    assert unit.config == bytes.fromhex(record)
    assert (unit.data, unit.kind, unit.dur) == (data, Kind.AUDIO, 2880)
    assert reader.unit(data).config is None
    track = reader.track(Track(0, Codec.EAC3))
    assert (track.sample_rate, track.channels, track.config) == (48_000, channels, unit.config)


def test_dependent_substreams_add_channels() -> None:
    core = frame(acmod=7, lfe=1)
    assert facts(dec3(parse_frames(core + BACKS))).channels == 8
    record = dec3(parse_frames(core + BACKS + HEIGHTS + BACKS + LONE))
    assert facts(record).channels == 11
    assert len(record) == 6


def test_each_programme_has_its_place() -> None:
    other = frame(number=1, acmod=1)
    record = dec3(parse_frames(frame() + BACKS + other))
    assert (record[1] & 7, len(record)) == (1, 2 + 4 + 3)
    assert facts(record).channels == 4


def test_units_of_several_frames_last_as_long_as_all_of_them() -> None:
    reader = Eac3Reader()
    short = frame(blocks=0) * 3 + frame(number=1, blocks=0) * 3
    assert reader.unit(short).dur == 1440
    assert reader.unit(frame(blocks=0)).dur == 480


def test_half_rates_are_told_by_frames_alone() -> None:
    reader = Eac3Reader()
    unit = reader.unit(frame(rate="11", blocks=1))
    assert unit.dur == 6269
    assert reader.track(Track(0, Codec.EAC3)).sample_rate == 22_050
    assert unit.config is not None
    assert (facts(unit.config).sample_rate, facts(unit.config).frame) == (0, None)


def test_another_bit_rate_is_no_other_stream() -> None:
    reader = Eac3Reader()
    assert reader.unit(frame(size=64)).config is not None
    assert reader.unit(frame(size=128)).config is None
    assert reader.unit(frame(size=128, acmod=1)).config is not None


def test_nothing_else_tells_anything() -> None:
    reader = Eac3Reader()
    assert reader.configure(b"") is None
    assert reader.unit(b"").config is None


@pytest.mark.parametrize(
    "data",
    [b"\x0b\x77", b"\x0b\x78" + STEREO[2:], STEREO[:-1], frame(kind=3), frame(bsid=10),
     frame(bsid=17), frame(rate="11", blocks=3), BACKS + frame(), frame(size=2) * 2,
     frame(size=12) * 49],
)  # fmt: skip
def test_other_units_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Eac3Reader().unit(data)


def test_frames_are_found_by_position() -> None:
    assert parse_frame(b"??" + frame(acmod=1), 2).stream.channels == 1


@given(st.binary(max_size=20), st.integers(0, 130))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    whole = frame() + BACKS
    with contextlib.suppress(ProtocolError):
        Eac3Reader().unit(whole[:at] + noise + whole[at + len(noise) :])
    with contextlib.suppress(ProtocolError):
        facts(noise)
