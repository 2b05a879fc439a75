from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264.unit import DELIMITER, annexb, normalize, normalize_prefixed
from streamctl.media.nal import join_length_prefixed, split_annexb
from streamctl.media.packet import Flag, Kind
from tests.streamctl.media.h264.sets import PPS, SPS_720P, recovery_point, sei, slice_of

AUD = b"\x09\xf0"
FILLER = b"\x0c\xff\xff\x80"
END = b"\x0a"
IDR = slice_of(7, kind=5, ref=3)
CAPTIONS = sei((4, b"\xb5\0\x31GA94" + b"\x03" * 300))
INTRA, P, B = slice_of(7), slice_of(5), slice_of(6, ref=0)
BOTH = sei((1, b"\x05"), recovery_point(0))
NOW, LATER = sei(recovery_point(0)), sei(recovery_point(7))

KINDS: list[tuple[str, list[bytes], Kind, Flag]] = [
    ("idr", [IDR], Kind.KEY, Flag.NONE),
    ("idr behind messages", [CAPTIONS, IDR], Kind.KEY, Flag.NONE),
    ("idr field with a P field", [IDR, slice_of(0)], Kind.KEY, Flag.NONE),
    ("p", [P], Kind.P, Flag.NONE),
    ("b", [B], Kind.B, Flag.NONE),
    ("b as reference", [slice_of(1, ref=1)], Kind.B, Flag.NONE),
    ("b in slices", [B, slice_of(1, first_mb=400, ref=0)], Kind.B, Flag.NONE),
    ("b and p slices", [B, slice_of(0, first_mb=400, ref=0)], Kind.P, Flag.NONE),
    ("sp and si", [slice_of(3), slice_of(4, first_mb=9)], Kind.P, Flag.NONE),
    ("i alone", [INTRA], Kind.P, Flag.NONE),
    ("i with recovery point", [NOW, INTRA], Kind.KEY, Flag.OPEN_GOP),
    ("i with recovery later", [LATER, INTRA], Kind.P, Flag.NONE),
    ("i behind other messages", [CAPTIONS, BOTH, INTRA], Kind.KEY, Flag.OPEN_GOP),
    ("i with parameter sets", [SPS_720P, PPS, INTRA], Kind.KEY, Flag.OPEN_GOP),
    ("i with half of the sets", [PPS, INTRA], Kind.P, Flag.NONE),
    ("i in slices", [NOW, INTRA, slice_of(7, first_mb=99)], Kind.KEY, Flag.OPEN_GOP),
    ("i and p slices", [NOW, INTRA, slice_of(5, first_mb=99)], Kind.P, Flag.NONE),
    ("i field with p field", [NOW, INTRA, slice_of(5)], Kind.KEY, Flag.OPEN_GOP),
    ("p with recovery point", [NOW, P], Kind.P, Flag.NONE),
    ("data partition", [slice_of(6, kind=2)], Kind.B, Flag.NONE),
    ("cut off slice", [b"\x41"], Kind.P, Flag.NONE),
    ("torn recovery point", [NOW[:-3], INTRA], Kind.P, Flag.NONE),
    ("message torn in its type", [b"\x06\xff\xff\xff", INTRA], Kind.P, Flag.NONE),
    ("message longer than its unit", [b"\x06\x06\xff\x20\x80\x80", INTRA], Kind.P, Flag.NONE),
    ("recovery far behind", [sei((5, bytes(9999)), (6, b"\x80")), INTRA], Kind.P, Flag.NONE),
    ("recovery point in a 17th unit", [*[LATER] * 16, NOW, INTRA], Kind.P, Flag.NONE),
    ("recovery point in a 16th unit", [*[LATER] * 15, NOW, INTRA], Kind.KEY, Flag.OPEN_GOP),
    ("no picture", [CAPTIONS], Kind.P, Flag.NONE),
]  # fmt: skip


def test_messages_of_no_length_are_not_all_read() -> None:
    began = time.thread_time()
    unit = normalize([b"\x06" + b"\x01\0" * 2_000_000, b"\x06" + b"\xff" * 4_000_000, INTRA])
    assert unit.kind is Kind.P
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    ("units", "kind", "flags"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)
def test_kinds_are_told_from_the_units(units: list[bytes], kind: Kind, flags: Flag) -> None:
    unit = normalize([AUD, *units])
    assert (unit.kind, unit.flags) == (kind, flags)
    prefixed = normalize_prefixed(join_length_prefixed([AUD, *units]))
    assert prefixed == unit
    again = normalize_prefixed(unit.data)
    assert again.data is unit.data
    if not unit.sps:
        assert (again.kind, again.flags) == (kind, flags)


def test_only_pictures_and_messages_stay() -> None:
    unit = normalize([AUD, SPS_720P, PPS, CAPTIONS, IDR, FILLER, b"", END, b"\x0b"])
    assert unit.data == join_length_prefixed([CAPTIONS, IDR])
    assert (unit.sps, unit.pps) == ((SPS_720P,), (PPS,))


def test_parameter_sets_alone_leave_no_data() -> None:
    unit = normalize([AUD, SPS_720P, PPS])
    assert (unit.data, unit.sps, unit.pps) == (b"", (SPS_720P,), (PPS,))
    assert normalize([]).data == normalize_prefixed(b"").data == b""


@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_size_of_lengths_becomes_four(size: int) -> None:
    data = b"".join(len(unit).to_bytes(size, "big") + unit for unit in (NOW, INTRA))
    assert normalize_prefixed(data, size).data == join_length_prefixed([NOW, INTRA])


def test_normal_data_is_handed_back_without_a_copy() -> None:
    data = join_length_prefixed([CAPTIONS, P, slice_of(5, first_mb=80)])
    assert normalize_prefixed(data).data is data


@pytest.mark.parametrize(
    "units", [[b"", P], [P, b""], [P, b"", slice_of(5, first_mb=80)], [P, FILLER]]
)
def test_empty_units_are_taken_out(units: list[bytes]) -> None:
    unit = normalize_prefixed(join_length_prefixed(units))
    assert unit.data == join_length_prefixed([one for one in units if one not in (b"", FILLER)])


def test_lengths_past_the_end_are_refused() -> None:
    data = join_length_prefixed([P])
    for parse in (normalize_prefixed, annexb):
        with pytest.raises(RemoteProtocolError):
            parse(data[:-1])


def test_the_byte_stream_form_begins_with_a_delimiter() -> None:
    sets = b"\0\0\0\1" + SPS_720P
    stream = annexb(join_length_prefixed([CAPTIONS, IDR]), sets)
    assert stream.startswith(DELIMITER + sets)
    assert split_annexb(stream) == [AUD, SPS_720P, CAPTIONS, IDR]
    assert split_annexb(annexb(join_length_prefixed([P]))) == [AUD, P]


@given(st.lists(st.binary(max_size=24), max_size=6), st.binary(max_size=12))
def test_noise_raises_nothing_else(units: list[bytes], tail: bytes) -> None:
    normalize(units)
    try:
        unit = normalize_prefixed(join_length_prefixed(units) + tail)
        annexb(unit.data)
    except ProtocolError:
        pass
