from __future__ import annotations

import errno
import logging
import socket
import ssl
import weakref
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import tcp
from streamctl.net.connection import Connections
from streamctl.net.opening import Opening
from streamctl.net.tcp import Acceptor, TcpServer, connect_tcp, serve_tcp
from streamctl.net.tls import ServerTls
from tests.streamctl.net.recorder import RecordingPeer, connected, serving
from tests.support.certificates import self_signed
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


def echo(peer: RecordingPeer, data: bytes) -> None:
    peer.wire.write(data)


async def read_exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await anyio.to_thread.run_sync(client.recv, size - len(data))
    return data


@pytest.mark.anyio
async def test_each_connection_has_its_own_peer() -> None:
    peers: list[RecordingPeer] = []

    def factory() -> RecordingPeer:
        peers.append(RecordingPeer(echo))
        return peers[-1]

    async with serving(factory) as address:
        with (
            socket.create_connection(address, timeout=PATIENCE_S) as first,
            socket.create_connection(address, timeout=PATIENCE_S) as second,
        ):
            first.sendall(b"one")
            second.sendall(b"two")
            assert await read_exactly(first, 3) == b"one"
            assert await read_exactly(second, 3) == b"two"
            assert {peer.remote for peer in peers} == {first.getsockname(), second.getsockname()}
    assert [peer.calls for peer in peers] == [["connected", "closed"]] * 2


@pytest.mark.anyio
async def test_who_keeps_a_wire_keeps_no_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Connections]] = []

    def make() -> Connections:
        connections = Connections()
        made.append(weakref.ref(connections))
        return connections

    async with serving(RecordingPeer) as (host, port):
        monkeypatch.setattr(tcp, "Connections", make)
        peer = RecordingPeer()
        await connect_tcp(host, port, peer)
        assert made[0]() is not None
        peer.wire.abort("over")
        await peer.gone.wait()
        with anyio.fail_after(PATIENCE_S):
            while made[0]() is not None:
                await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_an_address_in_use_is_reported_with_its_setting() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConnectionFailed) as caught,
    ):
        await serve_tcp(
            taken.getsockname(), RecordingPeer, ready=lambda _: None, key="listeners.x.address"
        )
    assert "listeners.x.address" in caught.value.hint


@pytest.mark.anyio
async def test_stopping_flushes_and_closes_every_connection() -> None:
    peer = RecordingPeer()
    with socket.socket() as client:
        async with serving(lambda: peer) as address:
            client.settimeout(PATIENCE_S)
            await anyio.to_thread.run_sync(client.connect, address)
            await peer.up.wait()
            peer.wire.write(b"last words")
        assert peer.reason == "the server stops listening here"
        assert await read_exactly(client, 10) == b"last words"
        assert client.recv(1) == b""


@pytest.mark.anyio
async def test_an_error_in_one_peer_leaves_the_others_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(peer: RecordingPeer, data: bytes) -> None:
        if data == b"bad":
            raise ZeroDivisionError
        peer.wire.write(data)

    async with serving(partial(RecordingPeer, fail)) as address:
        with (
            socket.create_connection(address, timeout=PATIENCE_S) as good,
            socket.create_connection(address, timeout=PATIENCE_S) as bad,
        ):
            bad.sendall(b"bad")
            assert await anyio.to_thread.run_sync(bad.recv, 1) == b""
            good.sendall(b"good")
            assert await read_exactly(good, 4) == b"good"
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert record.exc_info is not None


@pytest.mark.anyio
async def test_an_error_while_a_peer_is_made_leaves_the_listener_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peers = iter([None, RecordingPeer(echo)])

    def factory() -> RecordingPeer:
        peer = next(peers)
        assert peer is not None, "the first one fails"
        return peer

    async with serving(factory) as address:
        with (
            socket.create_connection(address, timeout=PATIENCE_S) as first,
            socket.create_connection(address, timeout=PATIENCE_S) as second,
        ):
            assert await anyio.to_thread.run_sync(first.recv, 1) == b""
            second.sendall(b"good")
            assert await read_exactly(second, 4) == b"good"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


class Exhausted(socket.socket):
    """A listening socket of a process that has run out of file descriptors for a while."""

    refusals = 3

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.mark.anyio
async def test_accepting_goes_on_after_file_descriptors_ran_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tcp, "ACCEPT_RETRY_S", 0.001)
    listening = Exhausted()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    listening.setblocking(False)
    peer = RecordingPeer()
    connections = Connections()
    async with anyio.create_task_group() as tasks:
        acceptor = Acceptor(listening, Opening(lambda: peer, connections), tasks)
        acceptor.accept()
        with socket.create_connection(listening.getsockname(), timeout=PATIENCE_S):
            await peer.up.wait()
        acceptor.close()
    await connections.close("over", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "can't accept connections for a moment: too many open files"
    ] * 3


@pytest.mark.anyio
async def test_connect_tells_the_peer_before_it_returns() -> None:
    async with serving(partial(RecordingPeer, echo)) as address:
        peer = RecordingPeer()
        await connect_tcp(*address, peer)
        assert peer.remote == address
        peer.wire.write(b"hello")
        while peer.data != b"hello":
            await anyio.lowlevel.checkpoint()
        peer.wire.close("done")
        await peer.gone.wait()
        assert peer.reason == "done"


@pytest.mark.anyio
async def test_a_refused_connection_is_an_error_of_the_tree() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host, port = unused.getsockname()
        with pytest.raises(ConnectionFailed, match=f"`{host}:{port}`: connection refused"):
            await connect_tcp(host, port, RecordingPeer())


@pytest.mark.anyio
async def test_a_silent_host_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as filler:
        filler.connect(full.getsockname())  # the queue takes one, the next gets no answer
        host, port = full.getsockname()
        with pytest.raises(ConnectionFailed, match="timed out"):
            await connect_tcp(host, port, RecordingPeer(), timeout_s=0.1)


@pytest.mark.anyio
async def test_the_wire_of_a_connection_reports_its_lag() -> None:
    peer = RecordingPeer()
    async with connected(peer):
        assert peer.wire.unsent() == 0
        peer.wire.write(bytes(8_000_000))
        assert peer.wire.unsent() > 1_000_000


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_connections_behave_alike_on_uvloop(
    anyio_backend: tuple[str, dict[str, bool]],
) -> None:
    pytest.importorskip("uvloop")
    size = 8_000_000
    serving_peer = RecordingPeer(echo)
    async with serving(lambda: serving_peer) as address:
        peer = RecordingPeer()
        await connect_tcp(*address, peer)
        peer.wire.write(bytes(size))
        assert "paused" in peer.calls
        with anyio.fail_after(PATIENCE_S):
            while len(peer.data) < size:
                await anyio.lowlevel.checkpoint()
        assert "resumed" in peer.calls
        peer.wire.close("done")
        await peer.gone.wait()
    assert serving_peer.calls[-1] == "closed"


async def listening(bound: list[tuple[str, int]], count: int) -> None:
    """Wait until so many addresses are bound."""
    with anyio.fail_after(PATIENCE_S):
        while len(bound) < count:
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_a_retired_listener_frees_its_address_and_keeps_its_peers() -> None:
    peer = RecordingPeer(echo)
    server = TcpServer(("127.0.0.1", 0), lambda: peer)
    bound: list[tuple[str, int]] = []
    ended = anyio.Event()

    async def serve() -> None:
        await server.serve(bound.append)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await listening(bound, 1)
        with socket.create_connection(bound[0], timeout=PATIENCE_S) as client:
            await peer.up.wait()
            server.retire()
            heir = TcpServer(bound[0], RecordingPeer)
            tasks.start_soon(heir.serve, bound.append)
            await listening(bound, 2)
            assert bound[1] == bound[0]
            client.sendall(b"still here")
            assert await read_exactly(client, 10) == b"still here"
            assert not ended.is_set()
            heir.retire()
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()
    assert peer.reason != "the server stops listening here"


@pytest.mark.anyio
async def test_who_shakes_hands_while_a_listener_retires_is_let_in(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    tls = ServerTls(made.cert, made.key)
    peer = RecordingPeer(echo)
    server = TcpServer(("127.0.0.1", 0), lambda: peer, tls)
    bound: list[tuple[str, int]] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, bound.append)
        await listening(bound, 1)
        context = ssl.create_default_context(cafile=made.cert)
        context.check_hostname = False
        plain = socket.create_connection(bound[0], timeout=PATIENCE_S)
        with context.wrap_socket(plain, do_handshake_on_connect=False) as client:
            client.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            with anyio.fail_after(PATIENCE_S):
                await anyio.wait_readable(client)
            server.retire()

            def shake() -> bytes:
                client.settimeout(PATIENCE_S)
                client.do_handshake()
                client.sendall(b"hello")
                return client.recv(5)

            assert await anyio.to_thread.run_sync(shake) == b"hello"


@pytest.mark.anyio
async def test_a_listener_that_nobody_came_to_ends_when_it_retires() -> None:
    server = TcpServer(("127.0.0.1", 0), RecordingPeer)
    with anyio.fail_after(PATIENCE_S):
        await server.serve(lambda _: server.retire())
