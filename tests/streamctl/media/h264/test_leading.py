from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.h264 import AvcConfig, H264Reader, Sps, parse_sps
from streamctl.media.h264.leading import LeadingPictures
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import Flag, Kind
from tests.streamctl.media.h264.sets import (
    PPS,
    SPS_720P,
    SPS_BASELINE,
    bits_of,
    payload,
    recovery_point,
    sei,
)

SPS = parse_sps(SPS_720P)
RANGE = 1 << SPS.log2_max_poc_lsb
NOW = sei(recovery_point(0))
IDR, INTRA, P, B = (7, 5), (7, 1), (5, 1), (6, 1)


def unit(shape: tuple[int, int], count: int, *, fields: str = "", sps: Sps = SPS) -> bytes:
    """An access unit of one slice with this order count."""
    slice_type, kind = shape
    head = bits_of(0) + bits_of(slice_type) + bits_of(0) + "0" * sps.log2_max_frame_num + fields
    head += bits_of(0) if kind == 5 else ""
    head += f"{count % RANGE:0{sps.log2_max_poc_lsb}b}"
    nal = bytes((0x60 | kind,)) + payload(head) + b"\x5a" * 30
    return join_length_prefixed([NOW, nal] if shape == INTRA else [nal])


def flags_of(units: list[bytes], record: AvcConfig | None = None) -> list[int]:
    reader = H264Reader()
    reader.configure((record or AvcConfig.from_parameter_sets([SPS_720P], [PPS])).serialize())
    return [reader.unit(one).flags for one in units]


@pytest.mark.parametrize("base", [20, 0, 6, RANGE - 2, RANGE // 2])
def test_pictures_shown_before_an_open_point_lead_it(base: int) -> None:
    units = [
        unit(P, base - 8),
        unit(INTRA, base),
        unit(B, base - 4),
        unit(P, base - 6),
        unit(P, base + 8),
        unit(B, base + 2),
        unit(B, base - 2),
    ]
    leads = Flag.LEADING
    assert flags_of(units) == [0, Flag.OPEN_GOP, leads, leads, 0, 0, 0]


def test_nothing_leads_a_closed_point() -> None:
    assert flags_of([unit(IDR, 0), unit(P, 8), unit(B, 4)]) == [0, 0, 0]


def test_another_point_begins_anew() -> None:
    units = [unit(INTRA, 20), unit(INTRA, 40), unit(B, 30), unit(IDR, 0), unit(B, RANGE - 4)]
    assert flags_of(units) == [Flag.OPEN_GOP, Flag.OPEN_GOP, Flag.LEADING, 0, 0]


def test_a_picture_without_a_readable_header_ends_the_search() -> None:
    torn = join_length_prefixed([b"\x61\xe0"])
    assert flags_of([unit(INTRA, 20), torn, unit(B, 10)]) == [Flag.OPEN_GOP, 0, 0]
    assert flags_of([unit(INTRA, 20), join_length_prefixed([NOW]), unit(B, 10)])[1:] == [0, 0]


def test_several_parameter_sets_leave_it_untold() -> None:
    other = SPS_720P[:4] + payload(bits_of(3) + "1" * 40)
    record = AvcConfig.from_parameter_sets([SPS_720P, other], [PPS])
    assert flags_of([unit(INTRA, 20), unit(B, 10)], record) == [Flag.OPEN_GOP, 0]
    broken = replace(record, sps=(b"\x67\x42\xe0\x1e\xff",), profile=66)
    assert flags_of([unit(INTRA, 20), unit(B, 10)], broken) == [Flag.OPEN_GOP, 0]


def test_a_new_parameter_set_ends_the_search() -> None:
    reader = H264Reader()
    reader.configure(AvcConfig.from_parameter_sets([SPS_720P], [PPS]).serialize())
    assert reader.unit(unit(INTRA, 20)).flags == Flag.OPEN_GOP
    reader.configure(AvcConfig.from_parameter_sets([SPS_BASELINE], [PPS]).serialize())
    assert reader.unit(unit(B, 10)).flags == 0


@pytest.mark.parametrize("fields", ["0", "10", "11"])
def test_interlaced_headers_are_read(fields: str) -> None:
    sps = replace(SPS, frame_mbs_only=False)
    leading = LeadingPictures()
    leading.use(sps)
    assert leading.order_count(unit(P, 12, fields=fields, sps=sps)) == 12


@pytest.mark.parametrize(
    "sps", [None, replace(SPS, log2_max_poc_lsb=0), replace(SPS, chroma_format=3)]
)
def test_some_streams_tell_no_order(sps: Sps | None) -> None:
    leading = LeadingPictures()
    leading.use(sps)
    assert leading.flags(unit(INTRA, 20), Kind.KEY, Flag.OPEN_GOP) == Flag.OPEN_GOP
    assert not leading.concerns(0)


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_noise_raises_nothing(noise: list[bytes]) -> None:
    leading = LeadingPictures()
    leading.use(SPS)
    leading.flags(unit(INTRA, 20), Kind.KEY, Flag.OPEN_GOP)
    leading.flags(join_length_prefixed([one for one in noise if one]) + b"\0\0\1", Kind.B, 0)
