"""Encrypted segments."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl_hls.crypt import decrypted, vector

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
IV = bytes(range(16))
SEALED = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
    "8cb82807230e1321d3fae00d18cc2012"
)
"""The four blocks of NIST SP 800-38A, F.2.1, and one of padding."""
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


def test_segments_are_decrypted_and_their_padding_goes() -> None:
    assert decrypted(SEALED, KEY, IV) == PLAIN


def test_the_vector_is_its_own_or_the_number_of_the_segment() -> None:
    assert vector(IV, 5) == IV
    assert vector(None, 0x0102) == bytes(14) + b"\x01\x02"


@pytest.mark.parametrize(
    ("data", "key", "words"),
    [
        (SEALED, b"short", "a key of 5 bytes"),
        (SEALED[:-1], KEY, "is cut off"),
        (b"", KEY, "is cut off"),
        (SEALED, IV, "the key is another one"),
        (SEALED[:-16], KEY, "the key is another one"),
    ],
)
def test_what_can_not_be_decrypted_is_said(data: bytes, key: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        decrypted(data, key, IV)
