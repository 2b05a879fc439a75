from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.h264 import parse_sps
from streamctl.media.h264.field import FieldPairs
from tests.streamctl.media.h264.sets import SPS_720P, SPS_FIELDS, bits_of, payload, sei

SEI = sei((1, b"\0"))


def field(number: int, parity: str, *, kind: int = 1) -> bytes:
    """The first slice of a field (``t`` or ``b``), or of a frame (empty)."""
    head = bits_of(0) + bits_of(7) + bits_of(0) + f"{number:04b}"
    return bytes((0x60 | kind,)) + payload(head + {"t": "10", "b": "11", "": "0"}[parity])


def seconds(*pictures: tuple[int, str]) -> list[bool]:
    pairs = FieldPairs()
    pairs.sps = parse_sps(SPS_FIELDS)
    return [pairs.second([SEI, field(*picture)]) for picture in pictures]


@pytest.mark.parametrize(
    ("pictures", "wanted"),
    [
        ([(0, "t"), (0, "b"), (1, "t"), (1, "b")], [False, True, False, True]),
        ([(0, "b"), (0, "t"), (0, "b"), (0, "t")], [False, True, False, True]),
        ([(0, "t"), (0, "t"), (0, "b")], [False, False, True]),
        ([(0, "t"), (1, "b"), (1, "t")], [False, False, True]),
        ([(0, "t"), (0, ""), (0, "b")], [False, False, False]),
    ],
)
def test_fields_of_one_number_and_both_parities_are_a_frame(
    pictures: list[tuple[int, str]], wanted: list[bool]
) -> None:
    assert seconds(*pictures) == wanted


def test_the_parameter_set_is_found_in_band() -> None:
    pairs = FieldPairs()
    assert not pairs.second([field(0, "t")])
    assert not pairs.second([b"\x67", SPS_FIELDS, field(1, "t")])
    assert pairs.second([field(1, "b")])


def test_progressive_pictures_are_no_fields() -> None:
    pairs = FieldPairs()
    pairs.second([SPS_720P])
    assert not pairs.second([field(0, "t")])
    assert not pairs.second([field(0, "b")])
    assert pairs.waiting is None


def test_a_torn_slice_is_no_field() -> None:
    pairs = FieldPairs()
    pairs.sps = replace(parse_sps(SPS_FIELDS), log2_max_frame_num=16)
    assert not pairs.second([b"\x61\xe0"])
    assert not pairs.second([SEI])
