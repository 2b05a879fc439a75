from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.av1.obu import (
    MAX_UNITS,
    leb128,
    normalize,
    payload_span,
    read_leb128,
    sequence_header_obu,
)
from streamctl.media.packet import Kind
from tests.streamctl.media.av1.obus import DELIMITER, INTER, KEY, SHOWN_AGAIN, SVT, obu

HEADER = obu(1, SVT)
METADATA = obu(5, b"\x04" + b"hdr")


@pytest.mark.parametrize(
    ("obus", "kind"),
    [
        ([HEADER, obu(6, KEY)], Kind.KEY),
        ([obu(3, KEY), obu(4, b"tiles")], Kind.KEY),
        ([obu(6, INTER)], Kind.P),
        ([obu(6, INTER), obu(6, KEY)], Kind.P),
        ([obu(6, b"\x00"), obu(6, INTER)], Kind.P),
        ([obu(6, b"\x50")], Kind.P),
        ([obu(3, SHOWN_AGAIN)], Kind.P),
        ([obu(3, b"")], Kind.P),
        ([HEADER, METADATA], Kind.P),
        ([], Kind.P),
    ],
    ids=[
        "key", "key in tiles", "inter", "first frame counts", "key that is hidden",
        "intra only", "shown again", "empty header", "no picture", "nothing",
    ],
)  # fmt: skip
def test_kinds_are_told_from_the_first_frame_header(obus: list[bytes], kind: Kind) -> None:
    data = b"".join(obus)
    unit = normalize(data)
    assert (unit.data, unit.kind) == (data, kind)
    assert unit.data is data
    assert unit.sequence == (SVT if HEADER in obus else b"")


def test_delimiters_and_padding_are_taken_out() -> None:
    frame = obu(6, KEY)
    data = b"".join((DELIMITER, HEADER, obu(15, b"\0" * 9), METADATA, frame, obu(15, b"\0")))
    assert normalize(data).data == HEADER + METADATA + frame
    assert normalize(DELIMITER).data == b""


@pytest.mark.parametrize("extension", [b"", b"\x20"])
def test_the_last_unit_gets_its_size(extension: bytes) -> None:
    wanted = HEADER + obu(6, KEY * 9, extension=extension)
    data = HEADER + obu(6, KEY * 9, size=False, extension=extension)
    assert normalize(data).data == normalize(DELIMITER + data).data == wanted
    assert normalize(data).kind is Kind.KEY


def test_sizes_may_be_longer_than_they_need() -> None:
    data = b"\x0a" + b"\x8b\x80\x00" + SVT + obu(6, KEY)
    unit = normalize(data)
    assert (unit.sequence, unit.data) == (SVT, data)


@pytest.mark.parametrize(
    "data", [b"\x32", b"\x36", b"\x36\x20", b"\x32\x05abc", b"\xb2\x01a", b"\x32" + b"\x80" * 9]
)
def test_damaged_units_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        normalize(data)


@given(st.integers(0, (1 << 35) - 1), st.binary(max_size=3))
def test_sizes_are_read_as_they_are_written(value: int, rest: bytes) -> None:
    data = leb128(value)
    assert read_leb128(b"?" + data + rest, 1) == (value, 1 + len(data))


def test_a_sequence_header_is_wrapped() -> None:
    data = sequence_header_obu(SVT)
    assert data == HEADER
    assert payload_span(data, 0) == (2, len(data))


@given(st.integers(0, 60), st.binary(max_size=12))
def test_damage_raises_nothing_else(at: int, noise: bytes) -> None:
    data = DELIMITER + HEADER + METADATA + obu(6, KEY)
    with contextlib.suppress(ProtocolError):
        unit = normalize(data[:at] + noise + data[at + len(noise) :])
        assert normalize(unit.data).data is unit.data


def test_a_temporal_unit_has_a_limit_of_units() -> None:
    tile = obu(4, b"")
    assert normalize(tile * MAX_UNITS).data == tile * MAX_UNITS
    with pytest.raises(RemoteProtocolError, match="OBUs"):
        normalize(tile * (MAX_UNITS + 1))
