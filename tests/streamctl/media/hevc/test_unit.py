from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.hevc.unit import (
    DELIMITER,
    annexb,
    broken_link,
    normalize,
    normalize_prefixed,
)
from streamctl.media.nal import join_length_prefixed, split_annexb
from streamctl.media.packet import Flag, Kind
from tests.streamctl.media.hevc.sets import PPS, SPS, VPS, slice_of

AUD = b"\x46\x01\x50"
FILLER = b"\x4c\x01\xff\x80"
END = b"\x48\x01"
SEI = b"\x4e\x01\x89\x18\x80"
IDR, TRAIL = slice_of(19), slice_of(1)

KINDS: list[tuple[int, Kind, Flag]] = [
    (0, Kind.B, Flag.NONE),
    (1, Kind.P, Flag.NONE),
    (2, Kind.B, Flag.NONE),
    (3, Kind.P, Flag.NONE),
    (5, Kind.P, Flag.NONE),
    *((kind, Kind.B, Flag.LEADING) for kind in (6, 7, 8, 9)),
    (10, Kind.B, Flag.NONE),
    (16, Kind.KEY, Flag.OPEN_GOP),
    (17, Kind.KEY, Flag.NONE),
    (18, Kind.KEY, Flag.NONE),
    (19, Kind.KEY, Flag.NONE),
    (20, Kind.KEY, Flag.NONE),
    (21, Kind.KEY, Flag.OPEN_GOP),
    (31, Kind.P, Flag.NONE),
]


@pytest.mark.parametrize(("kind", "wanted", "flags"), KINDS)
def test_kinds_are_told_from_the_type_of_the_first_slice(
    kind: int, wanted: Kind, flags: Flag
) -> None:
    units = [SEI, slice_of(kind), slice_of(kind, first=False), slice_of(1, layer=1)]
    for unit in (normalize([AUD, *units]), normalize_prefixed(join_length_prefixed(units))):
        assert (unit.kind, unit.flags) == (wanted, flags)
        assert unit.data == join_length_prefixed(units)


def test_only_pictures_and_messages_stay() -> None:
    units = [AUD, VPS, SPS, PPS, SEI, IDR, FILLER, b"", b"\x02", END, b"\x4a\x01"]
    unit = normalize(units)
    assert unit == normalize_prefixed(join_length_prefixed(units))
    assert unit.data == join_length_prefixed([SEI, IDR])
    assert (unit.vps, unit.sps, unit.pps) == ((VPS,), (SPS,), (PPS,))


def test_parameter_sets_of_other_layers_are_not_those_of_the_picture() -> None:
    unit = normalize([b"\x42\x09" + SPS[2:], b"\x43\x01" + SPS[2:], IDR])
    assert (unit.data, unit.sps) == (join_length_prefixed([IDR]), ())


def test_without_a_picture_there_is_no_random_access() -> None:
    assert normalize([SEI]).kind is normalize_prefixed(b"").kind is Kind.P
    assert normalize([VPS, SPS]).data == b""


@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_size_of_lengths_becomes_four(size: int) -> None:
    data = b"".join(len(unit).to_bytes(size, "big") + unit for unit in (SEI, IDR))
    assert normalize_prefixed(data, size).data == join_length_prefixed([SEI, IDR])


def test_normal_data_is_handed_back_without_a_copy() -> None:
    data = join_length_prefixed([SEI, TRAIL, slice_of(1, first=False)])
    assert normalize_prefixed(data).data is data


@pytest.mark.parametrize("units", [[b"", TRAIL], [TRAIL, b""], [TRAIL, FILLER]])
def test_empty_units_are_taken_out(units: list[bytes]) -> None:
    assert normalize_prefixed(join_length_prefixed(units)).data == join_length_prefixed([TRAIL])


def test_lengths_past_the_end_are_refused() -> None:
    data = join_length_prefixed([TRAIL])
    for parse in (normalize_prefixed, annexb):
        with pytest.raises(RemoteProtocolError):
            parse(data[:-1])


@pytest.mark.parametrize("kind", [16, 17, 21])
def test_a_broken_link_differs_in_its_type_alone(kind: int) -> None:
    second = slice_of(kind, first=False)
    data = broken_link(join_length_prefixed([SEI, slice_of(kind), second]))
    assert data == join_length_prefixed([SEI, slice_of(18), slice_of(18, first=False)])
    assert normalize_prefixed(data).flags == Flag.NONE


def test_other_pictures_are_no_links() -> None:
    for unit in (IDR, TRAIL, slice_of(18), slice_of(8)):
        data = join_length_prefixed([unit])
        assert broken_link(data) == data


def test_the_byte_stream_form_begins_with_a_delimiter() -> None:
    sets = b"\0\0\0\1" + VPS
    stream = annexb(join_length_prefixed([SEI, IDR]), sets)
    assert stream.startswith(DELIMITER + sets)
    assert split_annexb(stream) == [AUD, VPS, SEI, IDR]


@given(st.lists(st.binary(max_size=24), max_size=6), st.binary(max_size=12))
def test_noise_raises_nothing_else(units: list[bytes], tail: bytes) -> None:
    normalize(units)
    with contextlib.suppress(ProtocolError):
        annexb(normalize_prefixed(join_length_prefixed(units) + tail).data)
