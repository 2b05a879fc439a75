"""AMF0 values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl.media import amf0
from streamctl.media.amf0 import Date, EcmaArray, Special, TypedObject, XmlDocument

VALUES: list[tuple[str, Any]] = [
    ("00 3ff0000000000000", 1.0),
    ("00 c000000000000000", -2.0),
    ("01 00", False),
    ("01 01", True),
    ("02 0003 616263", "abc"),
    ("02 0000", ""),
    ("03 0001 61 05 000009", {"a": None}),
    ("05", None),
    ("06", Special.UNDEFINED),
    ("08 00000001 0001 61 0101 000009", EcmaArray(a=True)),
    ("0a 00000002 05 06", [None, Special.UNDEFINED]),
    ("0b 4271d7e3e1c00000 0000", Date(1226183678976.0)),
    ("0d", Special.UNSUPPORTED),
    ("0f 00000004 3c612f3e", XmlDocument("<a/>")),
    ("10 0001 43 0001 61 05 000009", TypedObject("C", {"a": None})),
]


@pytest.mark.parametrize(("octets", "value"), VALUES)
def test_values_are_decoded_and_encoded(octets: str, value: Any) -> None:
    data = bytes.fromhex(octets)
    [decoded] = amf0.decode(data)
    assert decoded == value
    assert type(decoded) is type(value)
    assert amf0.encode(value) == data


@pytest.mark.parametrize(("octets", "value"), VALUES)
def test_every_truncation_is_refused(octets: str, value: Any) -> None:
    data = bytes.fromhex(octets)
    for cut in range(1, len(data)):
        with pytest.raises(RemoteProtocolError):
            amf0.decode(data[:cut])


def test_values_follow_each_other() -> None:
    data = amf0.encode("connect", 1, None, {"app": "live", "n": [1, "x"]})
    assert amf0.decode(data) == ["connect", 1.0, None, {"app": "live", "n": [1.0, "x"]}]


def test_a_typed_object_keeps_its_class() -> None:
    [decoded] = amf0.decode(amf0.encode(TypedObject("flex.Message", {"a": 1})))
    assert isinstance(decoded, TypedObject)
    assert decoded.class_name == "flex.Message"


def test_long_strings_use_the_long_form() -> None:
    text = "x" * 65_536
    data = amf0.encode(text)
    assert data[:5] == b"\x0c\x00\x01\x00\x00"
    assert amf0.decode(data) == [text]


def test_a_count_that_lies_does_not_matter() -> None:
    data = bytes.fromhex("08 ffffffff 0001 61 05 000009")
    assert amf0.decode(data) == [{"a": None}]


def test_an_empty_name_is_not_the_end() -> None:
    assert amf0.decode(bytes.fromhex("03 0000 0101 000009")) == [{"": True}]


def test_references_lead_to_earlier_containers() -> None:
    data = bytes.fromhex("03 0001 61 05 000009 07 0000")
    first, second = amf0.decode(data)
    assert first is second


def test_text_that_is_not_utf8_is_replaced() -> None:
    assert amf0.decode(b"\x02\x00\x02a\xff") == ["a\ufffd"]


@pytest.mark.parametrize(
    "octets",
    [
        "04",  # movie clip: reserved
        "0e",  # record set: reserved
        "ff",
        "07 0000",  # a reference to nothing
        "03 0001 61",  # the value is missing
        "03 0001 61 05",  # the end is missing
        "09",  # an end without an object
        "0a ffffffff 05",  # fewer values than promised
        "0a 00001001" + "05" * 4097,
        "0a 00000001" * 17 + "05",
    ],
)
def test_hostile_bodies_are_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        amf0.decode(bytes.fromhex(octets))


def test_the_number_of_values_is_limited_over_the_whole_message() -> None:
    assert len(amf0.decode(b"\x05" * amf0.MAX_VALUES)) == amf0.MAX_VALUES
    with pytest.raises(RemoteProtocolError, match="more than 4096 values"):
        amf0.decode(b"\x05" * (amf0.MAX_VALUES + 1))


def test_siblings_do_not_count_as_depth() -> None:
    [decoded] = amf0.decode(amf0.encode([{} for _ in range(100)] + [[] for _ in range(100)]))
    assert len(decoded) == 200


@pytest.mark.parametrize("value", [b"bytes", object(), {"x" * 65_536: 1}])
def test_values_without_a_form_are_our_error(value: object) -> None:
    with pytest.raises(LocalProtocolError):
        amf0.encode(value)


json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.lists(json, max_size=4))
def test_what_is_encoded_is_decoded(values: list[Any]) -> None:
    assert amf0.decode(amf0.encode(*values)) == values


@given(st.binary(max_size=200), st.lists(json, max_size=3))
def test_garbage_raises_nothing_but_protocol_errors(garbage: bytes, values: list[Any]) -> None:
    for data in (garbage, amf0.encode(*values) + garbage, b"\x03" + garbage, b"\x0a" + garbage):
        try:
            amf0.decode(data)
        except RemoteProtocolError:
            continue


def test_numbers_may_be_anything_that_a_double_is() -> None:
    assert amf0.decode(amf0.encode(math.inf)) == [math.inf]
    assert math.isnan(amf0.decode(amf0.encode(math.nan))[0])
