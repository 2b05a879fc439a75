from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl.media.nal import (
    MAX_UNITS,
    byte_stream,
    join_length_prefixed,
    merge_sets,
    prefixed_spans,
    read_sets,
    split_annexb,
    split_length_prefixed,
    unescape,
)


def escape(payload: bytes) -> bytes:
    """Insert emulation prevention, byte by byte as the standard words it."""
    out = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


nals = st.lists(
    st.binary(max_size=40).map(lambda payload: b"\x41" + escape(payload) + b"\x80"), max_size=8
)


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        (b"", []),
        (b"\0\0\1", []),
        (b"\0\0\1\0\0\1", []),
        (b"\x41\x9a", []),
        (b"\0\0\1\x41\x9a", [b"\x41\x9a"]),
        (b"\0\0\0\1\x09\xf0\0\0\0\1\x41\x9a\0\0\1\x06", [b"\x09\xf0", b"\x41\x9a", b"\x06"]),
        (b"junk\0\0\1\x41", [b"\x41"]),
        (b"\0\0\1\x41\0\0\0\0\0", [b"\x41"]),
        (b"\0\0\0\0\0\0\1\x41\0\0\0\0\0\1\x42", [b"\x41", b"\x42"]),
        (b"\0\0\1\x41\0\0\3\1\x80\0\0\1\x42", [b"\x41\0\0\3\1\x80", b"\x42"]),
    ],
)
def test_a_byte_stream_is_split_at_its_start_codes(stream: bytes, wanted: list[bytes]) -> None:
    assert split_annexb(stream) == wanted


@pytest.mark.parametrize("unit", [b"\x41", b""])
def test_an_access_unit_has_a_limit_of_units(unit: bytes) -> None:
    prefixed, stream = join_length_prefixed([unit]), b"\0\0\1" + unit
    kept = MAX_UNITS if unit else 0
    assert len(prefixed_spans(prefixed * MAX_UNITS)) == kept
    assert len(split_annexb(stream * MAX_UNITS)) == kept
    with pytest.raises(RemoteProtocolError, match="NAL units"):
        prefixed_spans(prefixed * (MAX_UNITS + 1))
    with pytest.raises(RemoteProtocolError, match="NAL units"):
        split_annexb(stream * (MAX_UNITS + 1))


@given(nals, st.lists(st.booleans(), min_size=8, max_size=8))
def test_units_come_back_from_a_byte_stream(units: list[bytes], long: list[bool]) -> None:
    stream = b"".join(
        b"\0" * wide + b"\0\0\1" + unit for unit, wide in zip(units, long, strict=False)
    )
    assert split_annexb(stream) == units


@given(nals)
def test_units_come_back_from_length_prefixed_form(units: list[bytes]) -> None:
    assert split_length_prefixed(join_length_prefixed(units)) == units


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_of_every_size_are_read(size: int) -> None:
    data = b"".join(len(unit).to_bytes(size, "big") + unit for unit in (b"ab", b"", b"c"))
    assert split_length_prefixed(data, size) == [b"ab", b"c"]
    assert prefixed_spans(data, size)[0] == (size, size + 2)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_cut_off_unit_is_refused(cut: int) -> None:
    data = join_length_prefixed([b"abcde"])[:-cut]
    with pytest.raises(RemoteProtocolError):
        prefixed_spans(data)


@given(st.binary(max_size=60))
def test_emulation_prevention_is_undone(payload: bytes) -> None:
    assert unescape(escape(payload)) == payload


def test_sets_behind_lengths_are_merged_by_their_number() -> None:
    data = b"?\0\2ab\0\0\0\1c!"
    assert read_sets(data, 1, 3) == ((b"ab", b"c"), 10)
    with pytest.raises(RemoteProtocolError):
        read_sets(data, 1, 4)
    assert merge_sets((b"a1", b"b1"), [b"b2", b"c1"], lambda one: one[0]) == (b"a1", b"b2", b"c1")


def test_lengths_become_start_codes_behind_the_head() -> None:
    assert byte_stream(b"head", b"\0\0\0\2ab\0\0\0\1c") == b"head\0\0\0\1ab\0\0\0\1c"
