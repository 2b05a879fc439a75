from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.hevc import HevcConfig
from streamctl.media.hevc.reader import HevcReader, facts
from streamctl.media.nal import START_CODE, join_length_prefixed
from streamctl.media.packet import Codec, Flag, Kind, Track
from tests.streamctl.media.hevc.sets import (
    PPS,
    SPS,
    SPS_1080,
    SPS_MAIN10,
    TIMING,
    VPS,
    slice_of,
    sps,
    vps,
)

RECORD = HevcConfig.from_parameter_sets([VPS], [SPS], [PPS])
HVCC = RECORD.serialize()
IDR, CRA, TRAIL = slice_of(19), slice_of(21), slice_of(1)


def byte_stream(*units: bytes) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def test_a_record_is_taken_once() -> None:
    reader = HevcReader()
    assert reader.configure(HVCC) == HVCC
    assert reader.configure(HVCC) is None
    assert reader.track(Track(0, Codec.HEVC)) == Track(
        0, Codec.HEVC, HVCC, width=320, height=180, fps=25.0
    )


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units_of_every_length_size_get_lengths_of_four_bytes(size: int) -> None:
    reader = HevcReader()
    assert reader.configure(replace(RECORD, length_size=size).serialize()) == HVCC
    unit = reader.unit(len(CRA).to_bytes(size, "big") + CRA)
    assert (unit.data, unit.kind, unit.flags, unit.config) == (
        join_length_prefixed([CRA]), Kind.KEY, Flag.OPEN_GOP, None,
    )  # fmt: skip


def test_parameter_sets_in_band_change_the_configuration() -> None:
    reader = HevcReader()
    reader.configure(HVCC)
    assert reader.unit(join_length_prefixed([VPS, SPS, PPS, IDR])).config is None
    unit = reader.unit(join_length_prefixed([SPS_1080, IDR]))
    assert unit.config == HevcConfig.from_parameter_sets([VPS], [SPS_1080], [PPS]).serialize()
    assert unit.data == join_length_prefixed([IDR])
    assert reader.track(Track(0, Codec.HEVC)).width == 1920


def test_a_record_without_sets_waits_for_those_in_band() -> None:
    reader = HevcReader()
    assert reader.configure(replace(RECORD, vps=(), sps=(), pps=()).serialize()) is None
    assert reader.unit(join_length_prefixed([PPS, TRAIL])).config is None
    assert reader.unit(join_length_prefixed([VPS, SPS, PPS, IDR])).config == HVCC


def test_a_byte_stream_tells_its_configuration_itself() -> None:
    reader = HevcReader(byte_stream=True)
    assert reader.unit(byte_stream(TRAIL)).data == join_length_prefixed([TRAIL])
    assert reader.unit(byte_stream(VPS, SPS, PPS, IDR)).config == HVCC


def test_parameter_sets_aside_announce_a_byte_stream() -> None:
    reader = HevcReader()
    assert reader.configure(byte_stream(VPS, SPS, PPS)) == HVCC
    assert reader.unit(byte_stream(IDR)).kind is Kind.KEY
    reader.configure(b"\0" + HVCC[1:])
    assert reader.unit(join_length_prefixed([IDR])).kind is Kind.KEY


def test_pictures_before_the_configuration_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        HevcReader().unit(join_length_prefixed([IDR]))


@pytest.mark.parametrize("record", [b"", b"\x01", b"\0\0\0\x01\x44\x01", HVCC[:40]])
def test_a_bad_record_changes_nothing(record: bytes) -> None:
    reader = HevcReader()
    reader.configure(HVCC)
    with pytest.raises(RemoteProtocolError):
        reader.configure(record)
    assert reader.config == HVCC
    assert reader.unit(join_length_prefixed([IDR])).kind is Kind.KEY


def test_profiles_are_named() -> None:
    def title(first: bytes) -> str:
        return facts(HevcConfig.from_parameter_sets([VPS], [first], [PPS]).serialize()).title

    assert title(SPS_1080) == "HEVC Main 4.0"
    assert title(SPS_MAIN10) == "HEVC Main 10 2.0"
    odd = sps(layers="0001" + f"{0x27_08000000_000000000000_99:096b}")
    assert title(odd) == "HEVC profile 7 5.1 high tier"


def test_the_video_parameter_set_tells_the_rate_if_the_other_does_not() -> None:
    record = HevcConfig.from_parameter_sets([vps(TIMING)], [sps()], [PPS])
    assert facts(record.serialize()).fps == 30_000 / 1001


@pytest.mark.parametrize("sets", [(b"\x42\x01\xff",), ()])
def test_without_a_readable_sps_size_and_rate_are_not_told(sets: tuple[bytes, ...]) -> None:
    told = facts(replace(RECORD, sps=sets).serialize())
    assert (told.name, told.width, told.fps) == ("hvc1.1.6.L60.90", 0, 0.0)


def test_without_any_rate_the_size_is_told_all_the_same() -> None:
    told = facts(HevcConfig.from_parameter_sets([], [sps()], [PPS]).serialize())
    assert (told.width, told.height, told.fps) == (640, 360, 0.0)


@given(st.binary(max_size=60), st.integers(0, len(HVCC) - 1), st.integers(0, 255))
def test_damage_raises_nothing_else(noise: bytes, at: int, byte: int) -> None:
    reader = HevcReader(byte_stream=True)
    for record in (HVCC[:at] + bytes((byte,)) + HVCC[at + 1 :], noise):
        with contextlib.suppress(ProtocolError):
            reader.configure(record)
    for data in (noise, byte_stream(VPS, SPS[: at + 1], PPS, noise, IDR)):
        with contextlib.suppress(ProtocolError):
            reader.unit(data)
