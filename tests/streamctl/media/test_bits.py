from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader, BitWriter


def golomb(value: int) -> str:
    """The bits of an unsigned Exp-Golomb code."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def packed(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


@given(st.lists(st.integers(0, (1 << 32) - 2), max_size=10))
def test_exp_golomb_codes_are_read(values: list[int]) -> None:
    reader = BitReader(packed("".join(map(golomb, values))))
    assert [reader.ue() for _ in values] == values


def test_signed_codes_alternate() -> None:
    reader = BitReader(packed("".join(map(golomb, range(5)))))
    assert [reader.se() for _ in range(5)] == [0, 1, -1, 2, -2]


def test_bits_are_read_most_significant_first() -> None:
    reader = BitReader(b"\xa5\x0f")
    assert (reader.bits(4), reader.flag(), reader.bits(0), reader.bits(11)) == (10, False, 0, 0x50F)
    assert reader.left == 0


@pytest.mark.parametrize("data", [b"", b"\0", b"\x01", b"\0\0\0\0\x80", b"\0\0\0\0\0\xff\xff\xff"])
def test_a_torn_or_endless_code_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        BitReader(data).ue()


def test_reading_past_the_end_is_refused() -> None:
    reader = BitReader(b"\xff")
    reader.bits(5)
    with pytest.raises(RemoteProtocolError):
        reader.bits(4)


def test_written_fields_are_filled_up_to_a_byte() -> None:
    writer = BitWriter()
    assert writer.data() == b""
    writer.bits(0xA, 4)
    writer.bits(1, 1)
    assert writer.data() == b"\xa8"
    writer.bits(0x7FF, 11)
    assert writer.data() == b"\xaf\xff"
