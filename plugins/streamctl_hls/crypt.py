"""Decrypts segments: AES-128 in CBC mode, padded (RFC 8216bis, sections 4.4.4.4 and 5.2)."""

from __future__ import annotations

from streamctl.errors import RemoteProtocolError

METHOD = "AES-128"
BLOCK_BYTES = 16


def vector(iv: bytes | None, sequence: int) -> bytes:
    """The initialization vector of a segment: its own, or its number."""
    return sequence.to_bytes(BLOCK_BYTES, "big") if iv is None else iv


def decrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    """The plain bytes.

    Raises:
        RemoteProtocolError: the key is none, or was not the one that these bytes were made with.
    """
    # Most inputs need no cipher, and loading them takes a while.
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES128
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    if len(key) != BLOCK_BYTES:
        raise RemoteProtocolError(f"a key of {len(key)} bytes, not {BLOCK_BYTES}")
    if not data or len(data) % BLOCK_BYTES:
        raise RemoteProtocolError(f"an encrypted segment of {len(data)} bytes is cut off")
    cipher = Cipher(AES128(key), CBC(iv)).decryptor()
    plain = cipher.update(data) + cipher.finalize()
    padding = plain[-1]
    if not 1 <= padding <= BLOCK_BYTES or plain[-padding:] != bytes((padding,)) * padding:
        raise RemoteProtocolError("a segment can't be decrypted: the key is another one")
    return plain[:-padding]
