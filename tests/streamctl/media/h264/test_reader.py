from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264 import AvcConfig
from streamctl.media.h264.reader import H264Reader, facts
from streamctl.media.nal import START_CODE, join_length_prefixed
from streamctl.media.packet import Codec, Flag, Kind, Track
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_854, slice_of

RECORD = AvcConfig.from_parameter_sets([SPS_720P], [PPS])
AVCC = RECORD.serialize()
IDR, P = slice_of(7, kind=5, ref=3), slice_of(5)


def byte_stream(*units: bytes) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def test_a_record_is_taken_once() -> None:
    reader = H264Reader()
    assert reader.configure(AVCC) == AVCC
    assert reader.configure(AVCC) is None
    track = reader.track(Track(3, Codec.H264, language="deu"))
    assert track == Track(3, Codec.H264, AVCC, width=1280, height=720, fps=29.97, language="deu")


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units_of_every_length_size_get_lengths_of_four_bytes(size: int) -> None:
    reader = H264Reader()
    assert reader.configure(replace(RECORD, length_size=size).serialize()) == AVCC
    unit = reader.unit(len(IDR).to_bytes(size, "big") + IDR)
    assert (unit.data, unit.kind, unit.flags, unit.config) == (
        join_length_prefixed([IDR]), Kind.KEY, Flag.NONE, None,
    )  # fmt: skip


def test_parameter_sets_in_band_change_the_configuration() -> None:
    reader = H264Reader()
    reader.configure(AVCC)
    assert reader.unit(join_length_prefixed([SPS_720P, PPS, IDR])).config is None
    unit = reader.unit(join_length_prefixed([SPS_854, IDR]))
    assert unit.config == AvcConfig.from_parameter_sets([SPS_854], [PPS]).serialize()
    assert unit.data == join_length_prefixed([IDR])
    assert reader.track(Track(0, Codec.H264)).width == 854
    assert reader.unit(join_length_prefixed([P])).config is None


def test_a_byte_stream_tells_its_configuration_itself() -> None:
    reader = H264Reader(byte_stream=True)
    unit = reader.unit(byte_stream(PPS, P))
    assert (unit.data, unit.config) == (join_length_prefixed([P]), None)
    assert reader.unit(byte_stream(SPS_720P, PPS, IDR)).config == AVCC


def test_parameter_sets_aside_announce_a_byte_stream() -> None:
    reader = H264Reader()
    assert reader.configure(byte_stream(SPS_720P, PPS)) == AVCC
    assert reader.unit(byte_stream(IDR)).kind is Kind.KEY
    reader.configure(AVCC)
    assert reader.unit(join_length_prefixed([IDR])).kind is Kind.KEY


def test_pictures_before_the_configuration_are_refused() -> None:
    reader = H264Reader()
    with pytest.raises(RemoteProtocolError):
        reader.unit(join_length_prefixed([IDR]))


@pytest.mark.parametrize("record", [b"", b"\x01", b"\0\0\0\x01\x68\x01", AVCC[:12]])
def test_a_bad_record_changes_nothing(record: bytes) -> None:
    reader = H264Reader()
    reader.configure(AVCC)
    with pytest.raises(RemoteProtocolError):
        reader.configure(record)
    assert reader.config == AVCC


def test_facts_without_a_readable_sps_are_those_of_the_record() -> None:
    odd = AvcConfig.from_parameter_sets([b"\x67\x4d\x40\x1e\xff"], [PPS]).serialize()
    told = facts(odd)
    assert (told.name, told.title, told.width) == ("avc1.4d401e", "H.264 Main 3.0", 0)


@given(st.binary(max_size=60), st.integers(0, len(AVCC) - 1), st.integers(0, 255))
def test_damage_raises_nothing_else(noise: bytes, at: int, byte: int) -> None:
    reader = H264Reader(byte_stream=True)
    for record in (AVCC[:at] + bytes((byte,)) + AVCC[at + 1 :], noise):
        with contextlib.suppress(ProtocolError):
            reader.configure(record)
    for data in (noise, byte_stream(SPS_720P[: at + 1], PPS, noise, IDR)):
        with contextlib.suppress(ProtocolError):
            reader.unit(data)
