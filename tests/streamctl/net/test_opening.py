"""From accepted sockets to connections."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
import weakref
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from streamctl.net import opening
from streamctl.net.tls import ServerTls, client_context
from tests.streamctl.net.recorder import RecordingPeer, serving
from tests.support.certificates import Pair, self_signed
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.sdk.endpoints import Address


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder: Path = tmp_path_factory.mktemp("certificate")
    return self_signed(folder)


def read_to_end(client: socket.socket) -> bytes:
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1000):
            data += piece
    return bytes(data)


def exchange(address: Address, pair: Pair) -> bytes:
    """Speak TLS, say something, and read what is answered."""
    context = client_context(pair.cert)
    with (
        socket.create_connection(address, timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(b"hello")
        return client.recv(100)


def shout(peer: RecordingPeer, data: bytes) -> None:
    peer.wire.write(data.upper())
    peer.wire.close("said")


@pytest.mark.anyio
async def test_clients_are_told_apart_by_their_first_byte(pair: Pair) -> None:
    plain = RecordingPeer(shout)
    tls = ServerTls(pair.cert, pair.key)
    async with serving(lambda: RecordingPeer(shout), tls=tls, plain=lambda: plain) as address:
        assert await anyio.to_thread.run_sync(exchange, address, pair) == b"HELLO"
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            client.sendall(b"g")
            assert await anyio.to_thread.run_sync(read_to_end, client) == b"G"
    assert plain.data == b"g"
    assert plain.reason == "said"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"hello", r"127\.0\.0\.1: closed: port \d+ is for TLS"),
        (b"\x16\x03\x01garbage", r"127\.0\.0\.1: closed: TLS failed: .+"),
        (b"", None),
    ],
)
async def test_who_does_not_speak_tls_is_closed(
    pair: Pair, sent: bytes, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamctl.net.opening")
    peer = RecordingPeer()
    async with serving(lambda: peer, tls=ServerTls(pair.cert, pair.key)) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = await anyio.to_thread.run_sync(read_to_end, client)
    assert answer[:1] in (b"", b"\x15"), "closed, perhaps with a TLS alert"
    assert peer.calls == []
    assert len(caplog.messages) == (said is not None)
    assert all(re.fullmatch(said or "", line) for line in caplog.messages)


@pytest.mark.anyio
async def test_who_says_nothing_is_closed_in_time(pair: Pair) -> None:
    hasty = ServerTls(pair.cert, pair.key, handshake_s=0.05)
    async with serving(RecordingPeer, tls=hasty) as address:
        for sent in (b"", b"\x16"):
            with socket.create_connection(address, timeout=PATIENCE_S) as client:
                client.sendall(sent)
                await anyio.to_thread.run_sync(read_to_end, client)


@pytest.mark.anyio
@pytest.mark.parametrize("limit", ["HANDSHAKES_MAX", "HANDSHAKES_PER_IP"])
async def test_only_so_many_handshakes_are_under_way(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(opening, limit, 2)
    peer = RecordingPeer(shout)
    async with serving(lambda: peer, tls=ServerTls(pair.cert, pair.key)) as address:
        idle = [socket.create_connection(address, timeout=PATIENCE_S) for _ in range(2)]
        with socket.create_connection(address, timeout=PATIENCE_S) as third:
            assert await anyio.to_thread.run_sync(read_to_end, third) == b""
        idle.pop().close()
        with anyio.fail_after(PATIENCE_S):
            while True:
                with contextlib.suppress(ssl.SSLError, OSError):
                    assert await anyio.to_thread.run_sync(exchange, address, pair) == b"HELLO"
                    break
        idle.pop().close()


@pytest.mark.anyio
async def test_a_listener_stops_while_a_handshake_is_under_way(pair: Pair) -> None:
    async with serving(RecordingPeer, tls=ServerTls(pair.cert, pair.key)) as address:
        client = socket.create_connection(address, timeout=PATIENCE_S)
        await anyio.wait_all_tasks_blocked()
    with client:
        assert await anyio.to_thread.run_sync(read_to_end, client) == b""


@pytest.mark.anyio
@pytest.mark.parametrize("over", ["tls", "tcp"])
@pytest.mark.usefixtures("uncollected")
async def test_a_connection_that_is_gone_needs_no_collector(pair: Pair, over: str) -> None:
    gone: list[weakref.ref[RecordingPeer]] = []

    def factory() -> RecordingPeer:
        peer = RecordingPeer(shout)
        gone.append(weakref.ref(peer))
        return peer

    async with serving(
        factory, tls=ServerTls(pair.cert, pair.key) if over == "tls" else None
    ) as address:
        if over == "tls":
            await anyio.to_thread.run_sync(exchange, address, pair)
        else:
            with socket.create_connection(address, timeout=PATIENCE_S) as client:
                client.sendall(b"hello")
                assert await anyio.to_thread.run_sync(read_to_end, client) == b"HELLO"
        with anyio.fail_after(PATIENCE_S):
            while not gone or gone[0]() is not None:
                await anyio.lowlevel.checkpoint()
