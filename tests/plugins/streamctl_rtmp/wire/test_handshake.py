"""Both sides of the handshake, in both forms."""

from __future__ import annotations

import hmac
import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl_rtmp.wire import handshake
from streamctl_rtmp.wire.handshake import (
    BLOCK_BYTES,
    CLIENT_KEY,
    CLIENT_VERSION,
    SALT,
    SERVER_KEY,
    ClientHandshake,
    ServerHandshake,
)

noise = random.Random(7).randbytes
GREETING = ClientHandshake(noise).start()


def feed(side: ServerHandshake | ClientHandshake, data: bytes, step: int) -> tuple[bytes, bool]:
    buffer = bytearray()
    sent = b""
    done = False
    for at in range(0, len(data), step):
        assert not done
        buffer += data[at : at + step]
        reply, done = side.receive(buffer)
        sent += reply
    return sent, done


def plain_c1() -> bytes:
    return bytes(8) + noise(BLOCK_BYTES - 8)


@pytest.mark.parametrize("step", [1, 7, 1536, 1537, 5000])
def test_a_plain_client_gets_its_block_back(step: int) -> None:
    c1 = plain_c1()
    sent, done = feed(ServerHandshake(noise), b"\x03" + c1, step)
    assert not done
    assert len(sent) == 1 + 2 * BLOCK_BYTES
    assert sent[0] == 3
    assert sent[5:9] == bytes(4)
    assert sent[1 + BLOCK_BYTES :] == c1


@pytest.mark.parametrize("step", [1, 1000, 5000])
def test_what_follows_the_handshake_is_left(step: int) -> None:
    server = ServerHandshake(noise)
    buffer = bytearray()
    done = False
    data = b"\x03" + plain_c1() + noise(BLOCK_BYTES)
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        _, done = server.receive(buffer)
    assert done
    buffer += b"rest"
    assert buffer == b"rest"


@pytest.mark.parametrize("schema", [0, 1])
def test_a_digest_is_answered_by_a_signed_block(schema: int) -> None:
    c1 = handshake.signed_block(CLIENT_VERSION, CLIENT_KEY, noise, schema)
    sent, _ = feed(ServerHandshake(noise), b"\x03" + c1, 4000)
    s1, s2 = sent[1 : 1 + BLOCK_BYTES], sent[1 + BLOCK_BYTES :]
    assert handshake.find_digest(s1, SERVER_KEY)
    digest = handshake.find_digest(c1, CLIENT_KEY)
    assert digest is not None
    key = hmac.digest(SERVER_KEY + SALT, digest, sha256)
    assert s2[-32:] == hmac.digest(key, s2[:-32], sha256)


def test_a_version_without_a_digest_gets_an_echo() -> None:
    c1 = bytes(4) + CLIENT_VERSION + noise(BLOCK_BYTES - 8)
    sent, _ = feed(ServerHandshake(noise), b"\x03" + c1, 4000)
    assert sent[1 + BLOCK_BYTES :] == c1


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_both_sides_finish_with_each_other(step: int) -> None:
    client, server = ClientHandshake(noise), ServerHandshake(noise)
    c0c1 = client.start()
    answer, _ = feed(server, c0c1, step)
    c2, done = feed(client, answer, step)
    assert done
    assert len(c2) == BLOCK_BYTES
    assert handshake.find_digest(c0c1[1:], CLIENT_KEY)
    # The server has kept its first byte for the check, so C2 completes the count.
    buffer = bytearray(c0c1[:1] + c2)
    assert server.receive(buffer) == (b"", True)
    assert not buffer


def test_a_client_echoes_a_plain_server() -> None:
    s1 = plain_c1()
    c2, done = feed(ClientHandshake(noise), b"\x03" + s1 + noise(BLOCK_BYTES), 4000)
    assert done
    assert c2 == s1


@pytest.mark.parametrize(("first", "text"), [(6, "rtmpe"), (0x47, "0x47"), (0x16, "0x16")])
@pytest.mark.parametrize("side", [ServerHandshake, ClientHandshake])
def test_other_protocols_are_refused_at_the_first_byte(
    side: type[ServerHandshake], first: int, text: str
) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        side(noise).receive(bytearray([first]))


def test_nothing_asks_for_nothing() -> None:
    assert ServerHandshake(noise).receive(bytearray()) == (b"", False)
    assert ClientHandshake(noise).receive(bytearray()) == (b"", False)


@given(st.binary(max_size=40), st.integers(0, 3 * BLOCK_BYTES), st.integers(1, 2000))
def test_bent_greetings_are_answered_or_refused(octets: bytes, place: int, step: int) -> None:
    for side, greeting in (
        (ServerHandshake(noise), ClientHandshake(noise).start() + noise(BLOCK_BYTES)),
        (ClientHandshake(noise), ServerHandshake(noise).receive(bytearray(GREETING))[0]),
    ):
        data = bytearray(greeting)
        data[place : place + len(octets)] = octets
        buffer = bytearray()
        for at in range(0, len(data), step):
            buffer += data[at : at + step]
            assert len(buffer) <= 1 + 2 * BLOCK_BYTES + step
            try:
                side.receive(buffer)
            except RemoteProtocolError:
                break
