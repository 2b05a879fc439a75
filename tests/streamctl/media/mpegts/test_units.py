from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.units import STARTS, begins_unit, first_unit, split_units
from streamctl.media.nal import SHORT_START_CODE, START_CODE
from streamctl.media.packet import Codec
from tests.streamctl.media.h264.sets import PPS, SPS_720P, sei, slice_of
from tests.streamctl.media.hevc.sets import slice_of as hevc_slice
from tests.streamctl.media.test_mpeg2video import CODE, EXTENSION, OPEN, SEQUENCE, SLICE

AUD = b"\x09\xf0"
HEVC_AUD = b"\x46\x01\x50"
SEI = sei((1, b"\0"))
SLICE_1, SLICE_2 = slice_of(5), slice_of(5, first_mb=40)
PREFIX = b"\x6e\x40\x80"


def stream(*nals: bytes, code: bytes = START_CODE) -> bytes:
    return b"".join(code + nal for nal in nals)


@pytest.mark.parametrize(
    "units",
    [
        [stream(AUD, SLICE_1, SLICE_2)],
        [stream(SLICE_1, SLICE_2)],
        [stream(SLICE_1), stream(SLICE_1)],
        [stream(AUD, SEI, SLICE_1, SLICE_2), stream(AUD, SLICE_1), stream(AUD, SLICE_1)],
        [stream(SPS_720P, PPS, SLICE_1), stream(SEI, SLICE_1), stream(SLICE_1, SLICE_2)],
        [stream(PREFIX, SLICE_1, PREFIX, SLICE_2), stream(AUD, PREFIX, SLICE_1)],
        [stream(SLICE_2), stream(AUD, SLICE_2)],
        [stream(SPS_720P, PPS)],
        [b""],
    ],
)
def test_h264_is_split_before_what_begins_a_picture(units: list[bytes]) -> None:
    # The first byte of a long start code is the last one of the unit before.
    found = split_units(Codec.H264, b"".join(units))
    assert [unit.strip(b"\0") for unit in found] == [unit.strip(b"\0") for unit in units]
    assert b"".join(found) == b"".join(units)


HEVC_1, HEVC_2 = hevc_slice(1), hevc_slice(1, first=False)


@pytest.mark.parametrize(
    "units",
    [
        [stream(HEVC_AUD, HEVC_1, HEVC_2)],
        [stream(HEVC_1, HEVC_2), stream(HEVC_1)],
        [stream(HEVC_AUD, HEVC_1), stream(HEVC_AUD, HEVC_1, HEVC_2)],
        [stream(HEVC_1, hevc_slice(1, layer=1)), stream(b"\x4e\x01\x89\x18\x80", HEVC_1)],
        [stream(HEVC_2), stream(HEVC_AUD, HEVC_2)],
        [stream(HEVC_AUD)],
    ],
)
def test_hevc_is_split_before_what_begins_a_picture(units: list[bytes]) -> None:
    found = split_units(Codec.HEVC, b"".join(units))
    assert [unit.strip(b"\0") for unit in found] == [unit.strip(b"\0") for unit in units]


def picture(structure: int) -> bytes:
    coding = CODE + bytes((0xB5, 0x8F, 0xFF, 0xF0 | structure, 0x41, 0x80))
    return CODE + b"\0\0\x10\0\0" + coding + SLICE + SLICE


TOP, BOTTOM, FRAME = picture(1), picture(2), picture(3)


@pytest.mark.parametrize(
    "units",
    [
        [SEQUENCE + EXTENSION + OPEN + FRAME],
        [SEQUENCE + EXTENSION + FRAME, FRAME, OPEN + FRAME],
        [TOP + BOTTOM, BOTTOM + TOP, FRAME],
        [TOP, TOP + BOTTOM],
        [TOP, SEQUENCE + BOTTOM],
        [SLICE, FRAME],
        [SEQUENCE],
    ],
)
def test_mpeg_2_is_split_by_pictures_of_two_fields(units: list[bytes]) -> None:
    found = split_units(Codec.MPEG2, b"".join(units))
    if units[0] == SLICE:
        # What stands before the first picture is no picture, so it goes along.
        units = [SLICE + FRAME]
    assert found == units


BEGINNINGS = [
    (Codec.H264, stream(AUD, SLICE_1), True),
    (Codec.H264, stream(SLICE_1), True),
    (Codec.H264, stream(SLICE_1, code=SHORT_START_CODE), True),
    (Codec.H264, stream(SLICE_2), False),
    (Codec.H264, stream(b"\x0c\xff\x80"), False),
    (Codec.H264, b"\x5a" + stream(AUD), False),
    (Codec.H264, b"\0\1" + stream(AUD), False),
    (Codec.HEVC, stream(HEVC_AUD, HEVC_1), True),
    (Codec.HEVC, stream(HEVC_1), True),
    (Codec.HEVC, stream(HEVC_2), False),
    (Codec.HEVC, stream(b"\x4c\x01\xff\x80"), False),
    (Codec.MPEG2, SEQUENCE, True),
    (Codec.MPEG2, FRAME, True),
    (Codec.MPEG2, SLICE, False),
]
RESTS = {Codec.H264: stream(SLICE_2), Codec.HEVC: stream(HEVC_2), Codec.MPEG2: SLICE}


@pytest.mark.parametrize(("codec", "data", "begins"), BEGINNINGS)
def test_a_payload_may_go_on_with_the_picture_before(
    codec: Codec, data: bytes, begins: bool
) -> None:
    assert begins_unit(codec, data) is begins
    assert begins_unit(codec, data[:3])


@pytest.mark.parametrize(("codec", "data"), [row[:2] for row in BEGINNINGS if row[2]])
def test_the_first_picture_is_found_behind_the_rest_of_another(codec: Codec, data: bytes) -> None:
    rest = b"\x5a" + RESTS[codec]
    place = len(rest) + data.index(SHORT_START_CODE)
    assert first_unit(codec, rest + data) == place
    assert first_unit(codec, (rest + data)[: place + 5]) == -1
    assert first_unit(codec, rest) == -1


@pytest.mark.parametrize("codec", STARTS)
@given(
    parts=st.lists(st.sampled_from([SHORT_START_CODE, b"\x65\x88", AUD]) | st.binary(max_size=5))
)
def test_nothing_is_lost_of_noise(codec: Codec, parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert b"".join(split_units(codec, data)) == data


@pytest.mark.parametrize("codec", STARTS)
def test_so_many_start_codes_are_looked_at_and_no_more(codec: Codec) -> None:
    code = SHORT_START_CODE + {Codec.H264: b"\x02\0", Codec.HEVC: b"\x02\1"}.get(codec, b"\xb2")
    endless = code * 1_000_000
    began = time.thread_time()
    assert split_units(codec, endless) == [endless]
    assert first_unit(codec, endless) == -1
    assert time.thread_time() - began < 0.2
