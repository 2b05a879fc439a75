"""AMF3 values."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl.media import amf0, amf3

VALUES: list[tuple[str, Any]] = [
    ("00", None),
    ("01", None),
    ("02", False),
    ("03", True),
    ("04 00", 0.0),
    ("04 7f", 127.0),
    ("04 81 00", 128.0),
    ("04 ff ff 7f", 2_097_151.0),
    ("04 80 c0 80 00", 2_097_152.0),
    ("04 bf ff ff ff", 268_435_455.0),
    ("04 ff ff ff ff", -1.0),
    ("04 c0 80 80 00", -268_435_456.0),
    ("05 4045000000000000", 42.0),
    ("06 01", ""),
    ("06 07 616263", "abc"),
    ("06 05 c3a9", "é"),
    ("06 03 ff", "\ufffd"),
    ("07 09 3c612f3e", "<a/>"),
    ("0b 09 3c612f3e", "<a/>"),
    ("08 01 4270000000000000", 2.0**40),
    ("09 05 01 06 03 61 04 01", ["a", 1.0]),
    ("09 03 03 61 04 01 01 04 02", {"a": 1.0, "0": 2.0}),
    ("09 01 01", []),
    # A dynamic object without a class, one with sealed members, one with both.
    ("0a 0b 01 03 61 04 01 01", {"a": 1.0}),
    ("0a 13 05 4162 03 61 04 01", {"a": 1.0}),
    ("0a 1b 01 03 61 04 01 03 62 04 02 01", {"a": 1.0, "b": 2.0}),
    ("0a 07" + "43" + b"flex.messaging.io.ArrayCollection".hex() + "09 03 01 04 05", [5.0]),
    ("0c 05 aabb", b"\xaa\xbb"),
    ("0d 05 00 00000001 ffffffff", [1.0, -1.0]),
    ("0e 03 00 ffffffff", [4_294_967_295.0]),
    ("0f 03 01 4045000000000000", [42.0]),
    ("10 05 00 01 06 03 61 04 07", ["a", 7.0]),
    ("11 07 00 06 03 61 04 01 04 02 04 03 01 04 09", {"a": 1.0, "2": 3.0}),
]
"""Bytes of one value and what it becomes."""

REFERENCES: list[tuple[str, list[Any]]] = [
    ("06 03 61 06 00", ["a", "a"]),
    ("09 03 01 04 01 09 00", [[1.0], [1.0]]),
    ("09 03 03 61 04 01 01 04 02 09 00", [{"a": 1.0, "0": 2.0}] * 2),
    ("0a 13 01 03 61 04 01 0a 01 04 02", [{"a": 1.0}, {"a": 2.0}]),
    ("0a 0b 01 01 0a 00", [{}, {}]),
    ("08 01 4045000000000000 08 00", [42.0, 42.0]),
    ("0c 03 aa 0c 00", [b"\xaa", b"\xaa"]),
    ("07 03 61 0b 00", ["a", "a"]),
    ("0d 03 00 00000001 0d 00", [[1.0], [1.0]]),
    ("10 01 00 01 10 00", [[], []]),
    ("11 01 00 11 00", [{}, {}]),
]

BROKEN = [
    "12",
    "0d",
    "04",
    "04 80 80",
    "05 00",
    "06 05 61",
    "06 02",
    "09 00",
    "0a 00",
    "0a 01",
    "0a 07 03 58 04 01",
    "0a 80 80 80 83 01",
    "0d bf ff ff ff 00",
    "09 bf ff ff ff 01",
    "11 03 00 04 01",
    "08 01 00",
]


@pytest.mark.parametrize(("octets", "value"), VALUES)
def test_values(octets: str, value: Any) -> None:
    assert amf3.decode(bytes.fromhex(octets)) == [value]


@pytest.mark.parametrize(("octets", "value"), VALUES)
def test_every_beginning_of_a_value_is_truncated(octets: str, value: Any) -> None:
    data = bytes.fromhex(octets)
    for size in range(1, len(data)):
        with pytest.raises(RemoteProtocolError, match="truncated"):
            amf3.decode(data[:size])


@pytest.mark.parametrize(("octets", "values"), REFERENCES)
def test_references_lead_to_what_was_before(octets: str, values: list[Any]) -> None:
    assert amf3.decode(bytes.fromhex(octets)) == values


@pytest.mark.parametrize("octets", BROKEN)
def test_what_no_client_sends_is_an_error(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        amf3.decode(bytes.fromhex(octets))


def test_an_object_may_hold_itself() -> None:
    [members] = amf3.decode(bytes.fromhex("0a 0b 01 03 61 0a 00 01"))
    assert members["a"] is members


def test_depth_and_number_are_limited() -> None:
    inside = b"\x09\x03\x01" * amf3.MAX_DEPTH + b"\x01"
    amf3.decode(inside)
    with pytest.raises(RemoteProtocolError, match="nested"):
        amf3.decode(b"\x09\x03\x01" + inside)
    amf3.decode(b"\x01" * amf3.MAX_VALUES)
    with pytest.raises(RemoteProtocolError, match="more than"):
        amf3.decode(b"\x01" * (amf3.MAX_VALUES + 1))


def test_amf0_switches_for_one_value_and_back() -> None:
    data = bytes.fromhex("020001 61 11 0a0b01 03 62 06 03 63 01 05 11 06 00 0101")
    assert amf0.decode(data) == ["a", {"b": "c"}, None, "b", True]


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([bytes.fromhex(octets) for octets, _ in VALUES]))
def test_only_protocol_errors_escape(noise: bytes, value: bytes) -> None:
    for data in (noise, value + noise, noise[:3] + value):
        with contextlib.suppress(RemoteProtocolError):
            amf3.decode(data)
