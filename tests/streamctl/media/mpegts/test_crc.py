from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.crc import crc32


def bit_by_bit(data: bytes) -> int:
    """The shift register of Annex A."""
    register = 0xFFFFFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            carry = (register >> 31) ^ (byte >> bit & 1)
            register = register << 1 & 0xFFFFFFFF
            if carry:
                register ^= 0x04C11DB7
    return register


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", 0xFFFFFFFF),
        (b"123456789", 0x0376E6E7),
        (bytes.fromhex("00b00d0001c100000001f000"), 0x2AB104B2),
    ],
)
def test_known_vectors(data: bytes, wanted: int) -> None:
    assert crc32(data) == wanted


@given(st.binary(max_size=200))
def test_it_is_the_register_of_the_standard(data: bytes) -> None:
    assert crc32(data) == bit_by_bit(data)


@given(st.binary(max_size=100))
def test_a_section_with_its_checksum_gives_zero(data: bytes) -> None:
    assert crc32(data + crc32(data).to_bytes(4, "big")) == 0
