"""The RTMP handshake, both sides (RTMP 1.0 section 5.2, and the digests of Flash Player 9).

The plain handshake echoes the peer's random block. The digest form, which the specification does
not describe, hides an HMAC-SHA256 in the block at one of two places ("schemas") and signs the
echo; a client that uses it sets a version in the block's second word. A client whose version is
zero, or whose digest is not found, gets the plain echo: this is what every field client accepts.
Nothing here is a secret: the keys are published, and the digest proves no identity.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from streamctl.errors import RemoteProtocolError

VERSION = 3
BLOCK_BYTES = 1536
"""Size of C1, S1, C2 and S2."""
DIGEST_BYTES = 32
SERVER_VERSION = bytes((4, 5, 0, 1))
"""What S1 claims in a digest handshake: players take anything from 3.0.0.1 on."""
CLIENT_VERSION = bytes((9, 0, 124, 2))
"""What C1 claims: the first Flash Player with digests, the value that players still send."""

SALT = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
CLIENT_KEY = b"Genuine Adobe Flash Player 001"
SERVER_KEY = b"Genuine Adobe Flash Media Server 001"

SCHEMA_OFFSETS = (8, 772)
"""Where the four bytes stand whose sum places the digest, in each schema."""

Random = Callable[[int], bytes]
"""Gives that many random bytes."""


class ServerHandshake:
    """The server's side: C0 C1 in, S0 S1 S2 out, C2 in."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.answered = False

    def receive(self, buffer: bytearray) -> tuple[bytes, bool]:
        """Consume from ``buffer``; what to send, and whether the handshake is complete.

        Raises:
            RemoteProtocolError: not an RTMP client.
        """
        reply = b""
        if buffer:
            check_version(buffer[0])
        if not self.answered and len(buffer) > BLOCK_BYTES:
            block = bytes(buffer[1 : 1 + BLOCK_BYTES])
            # The version byte stays until C2 has come, so that it is checked in one place.
            del buffer[1 : 1 + BLOCK_BYTES]
            reply = bytes((VERSION,)) + self.answer(block)
            self.answered = True
        if self.answered and len(buffer) > BLOCK_BYTES:
            del buffer[: 1 + BLOCK_BYTES]
            return reply, True
        return reply, False

    def answer(self, block: bytes) -> bytes:
        """S1 and S2 for C1."""
        digest = find_digest(block, CLIENT_KEY) if any(block[4:8]) else None
        if digest is None:
            return bytes(8) + self.random(BLOCK_BYTES - 8) + block
        return signed_block(SERVER_VERSION, SERVER_KEY, self.random) + signed_echo(
            digest, SERVER_KEY, self.random
        )


class ClientHandshake:
    """The client's side: C0 C1 out, S0 S1 S2 in, C2 out."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def start(self) -> bytes:
        """C0 and C1, with a digest: servers that know none ignore it."""
        return bytes((VERSION,)) + signed_block(CLIENT_VERSION, CLIENT_KEY, self.random)

    def receive(self, buffer: bytearray) -> tuple[bytes, bool]:
        """Consume from ``buffer``; what to send, and whether the handshake is complete.

        Raises:
            RemoteProtocolError: not an RTMP server.
        """
        if buffer:
            check_version(buffer[0])
        if len(buffer) < 1 + 2 * BLOCK_BYTES:
            return b"", False
        block = bytes(buffer[1 : 1 + BLOCK_BYTES])
        del buffer[: 1 + 2 * BLOCK_BYTES]
        digest = find_digest(block, SERVER_KEY) if any(block[4:8]) else None
        return (block if digest is None else signed_echo(digest, CLIENT_KEY, self.random)), True


def check_version(version: int) -> None:
    """Refuse what is not RTMP from its first byte.

    Raises:
        RemoteProtocolError: encrypted RTMP, or another protocol.
    """
    if version == VERSION:
        return
    if version in {6, 8, 9}:
        raise RemoteProtocolError("encrypted RTMP (rtmpe) is not supported", hint="use rtmps")
    raise RemoteProtocolError(f"not an RTMP handshake: first byte `0x{version:02x}`")


def digest_position(block: bytes, schema: int) -> int:
    """Where the digest of a block stands by a schema."""
    offset = SCHEMA_OFFSETS[schema]
    return offset + 4 + sum(block[offset : offset + 4]) % 728


def make_digest(block: bytes, position: int, key: bytes) -> bytes:
    """The HMAC of a block without the digest itself."""
    message = block[:position] + block[position + DIGEST_BYTES :]
    return hmac.digest(key, message, sha256)


def find_digest(block: bytes, key: bytes) -> bytes | None:
    """The valid digest of a block in either schema, or None."""
    for schema in range(len(SCHEMA_OFFSETS)):
        position = digest_position(block, schema)
        digest = block[position : position + DIGEST_BYTES]
        if hmac.compare_digest(digest, make_digest(block, position, key)):
            return digest
    return None


def signed_block(version: bytes, key: bytes, random: Random, schema: int = 0) -> bytes:
    """A C1 or S1 with a digest."""
    block = bytearray(bytes(4) + version + random(BLOCK_BYTES - 8))
    position = digest_position(bytes(block), schema)
    block[position : position + DIGEST_BYTES] = make_digest(bytes(block), position, key)
    return bytes(block)


def signed_echo(digest: bytes, key: bytes, random: Random) -> bytes:
    """A C2 or S2 that answers a digest."""
    body = random(BLOCK_BYTES - DIGEST_BYTES)
    return body + hmac.digest(hmac.digest(key + SALT, digest, sha256), body, sha256)
