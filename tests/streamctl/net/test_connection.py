from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from streamctl.errors import LocalProtocolError, RemoteProtocolError, StaleEpoch
from streamctl.net import connection
from streamctl.net.memory_file import MemoryFile
from tests.streamctl.net.recorder import RecordingPeer, connected
from tests.support.waiting import PATIENCE_S

MORE_THAN_ANY_KERNEL_TAKES = bytes(16_000_000)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is cut because the machine stands still for a moment."""
    monkeypatch.setattr(connection, "FLUSH_S", 60)


def read_to_end(client: socket.socket) -> bytes:
    data = bytearray()
    while piece := client.recv(1 << 20):
        data += piece
    return bytes(data)


@pytest.mark.anyio
async def test_pause_comes_within_the_write_that_fills_the_kernel() -> None:
    peer = RecordingPeer()
    async with connected(peer):
        peer.wire.write(b"small")
        assert peer.calls == ["connected"]
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        assert peer.calls == ["connected", "paused"]


@pytest.mark.anyio
async def test_resume_comes_when_the_rest_is_gone() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        left = len(MORE_THAN_ANY_KERNEL_TAKES)
        while left:
            left -= len(await anyio.to_thread.run_sync(client.recv, left))
        while "resumed" not in peer.calls:
            await anyio.lowlevel.checkpoint()
        assert peer.calls == ["connected", "paused", "resumed"]


@pytest.mark.anyio
async def test_close_flushes_even_when_the_kernel_is_full() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        peer.wire.close("over")
        peer.wire.close("again")
        peer.wire.write(b"too late")
        data = await anyio.to_thread.run_sync(read_to_end, client)
        assert len(data) == len(MORE_THAN_ANY_KERNEL_TAKES)
        client.close()
        await peer.gone.wait()
    assert peer.calls == ["connected", "paused", "closed"]
    assert peer.reason == "over"


@pytest.mark.anyio
async def test_a_last_answer_survives_bytes_that_nobody_read() -> None:
    """The peer is still sending when it is refused; a reset would take the answer with it."""

    def refuse(peer: RecordingPeer, data: bytes) -> None:
        peer.wire.write(b"go away")
        peer.wire.close("refused")

    peer = RecordingPeer(refuse)
    async with connected(peer) as client:
        for _ in range(50):
            client.sendall(bytes(1000))
            await anyio.lowlevel.checkpoint()
        assert await anyio.to_thread.run_sync(read_to_end, client) == b"go away"
    assert len(peer.data) <= 50_000


@pytest.mark.anyio
async def test_close_cuts_a_peer_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FLUSH_S", 0.05)
    peer = RecordingPeer()
    async with connected(peer):
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        peer.wire.close("too slow")
        await peer.gone.wait()
    assert peer.reason == "too slow"


@pytest.mark.anyio
async def test_abort_drops_what_was_not_sent() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        peer.wire.abort("kicked")
        peer.wire.abort("kicked twice")
        await peer.gone.wait()
        peer.wire.abort("after the end")
        peer.wire.close("after the end")
        peer.wire.set_send_buffer(1)
        assert peer.wire.unsent() == 0
        data = await anyio.to_thread.run_sync(read_to_end, client)
        assert len(data) < len(MORE_THAN_ANY_KERNEL_TAKES)
    assert peer.reason == "kicked"


@pytest.mark.anyio
async def test_nothing_is_unsent_on_a_socket_that_closed_before_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object) -> bytes:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    peer = RecordingPeer()
    async with connected(peer):
        monkeypatch.setattr("streamctl.net.connection.fcntl.ioctl", closed)
        assert peer.wire.unsent() == 0


@pytest.mark.anyio
async def test_a_peer_that_leaves_closes_the_connection() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        client.close()
        await peer.gone.wait()
    assert peer.reason == "closed by the peer"


@pytest.mark.anyio
async def test_a_reset_is_told_as_such() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        linger_for_no_time = b"\x01\0\0\0\0\0\0\0"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        client.close()
        await peer.gone.wait()
    assert peer.reason == "connection reset by the peer"


@pytest.mark.anyio
async def test_a_breach_of_the_protocol_is_answered_and_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(peer: RecordingPeer, data: bytes) -> None:
        raise RemoteProtocolError("not in this language", reply=b"sorry")

    caplog.set_level(logging.INFO, connection.log.name)
    peer = RecordingPeer(refuse)
    async with connected(peer) as client:
        client.sendall(b"?")
        assert await anyio.to_thread.run_sync(read_to_end, client) == b"sorry"
    assert peer.reason == "not in this language"
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage().endswith(": not in this language")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "level"),
    [
        (StaleEpoch("over"), logging.INFO),
        (LocalProtocolError("a bug"), logging.ERROR),
        (KeyError("a bug"), logging.ERROR),
    ],
)
async def test_errors_close_their_connection_once(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(peer: RecordingPeer, data: bytes) -> None:
        raise error

    caplog.set_level(logging.INFO, connection.log.name)
    peer = RecordingPeer(fail)
    async with connected(peer) as client:
        client.sendall(b"?")
        assert await anyio.to_thread.run_sync(read_to_end, client) == b""
    assert peer.calls == ["connected", "closed"]
    assert [record.levelno for record in caplog.records] == [level]


class BrokenTransport(asyncio.Transport):
    """A transport whose socket the kernel has already taken apart."""

    def __init__(self, *, ends: bool) -> None:
        self.socket = socket.socket()
        super().__init__({"socket": self.socket, "peername": None})
        self.ends = ends
        self.calls: list[str] = []

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == low == 0

    def is_closing(self) -> bool:
        return bool(self.calls)

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return self.ends

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "not connected")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


@pytest.mark.anyio
@pytest.mark.parametrize(("ends", "call"), [(True, "abort"), (False, "close")])
async def test_a_stream_that_cannot_be_ended_alone_is_closed(ends: bool, call: str) -> None:
    transport = BrokenTransport(ends=ends)
    with transport.socket:
        peer = RecordingPeer()
        one = connection.Connection(peer, connection.Connections())
        one.connection_made(transport)
        assert peer.remote == ("", 0)
        one.close("over")
        await anyio.lowlevel.checkpoint()
        assert transport.calls == [call]
        one.buffer_updated(1)
        one.pause_writing()
        one.connection_lost(None)
        one.resume_writing()
    assert peer.calls == ["connected", "closed"]
    assert peer.data == b""


class ClosesWithRoom(RecordingPeer):
    """Has said everything as soon as there is room again."""

    def resumed(self) -> None:
        super().resumed()
        self.wire.close("all said")


@pytest.mark.anyio
async def test_a_stream_is_not_ended_while_its_transport_makes_room() -> None:
    transport = BrokenTransport(ends=True)
    with transport.socket:
        one = connection.Connection(ClosesWithRoom(), connection.Connections())
        one.connection_made(transport)
        one.pause_writing()
        one.resume_writing()
        assert transport.calls == []
        await anyio.lowlevel.checkpoint()
        assert transport.calls == ["abort"]


class FailingPeer(RecordingPeer):
    """Raises in the callback that it is told to."""

    fails_in = ""

    def connected(self, wire: object, remote: tuple[str, int]) -> None:
        super().connected(wire, remote)  # type: ignore[arg-type]
        self.fail("connected")

    def paused(self) -> None:
        super().paused()
        self.fail("paused")

    def resumed(self) -> None:
        super().resumed()
        self.fail("resumed")

    def closed(self, reason: str) -> None:
        super().closed(reason)
        self.fail("closed")

    def fail(self, where: str) -> None:
        if where == self.fails_in:
            raise ZeroDivisionError(where)


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["connected", "paused", "resumed", "closed"])
async def test_an_error_in_any_callback_stays_within_the_connection(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = FailingPeer()
    peer.fails_in = where
    async with connected(peer) as client:
        peer.wire.write(MORE_THAN_ANY_KERNEL_TAKES)
        if where == "closed":
            peer.wire.close("over")
        await anyio.to_thread.run_sync(read_to_end, client)
    assert peer.calls.count("closed") == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.anyio
async def test_sockets_notice_vanished_peers_and_hold_little() -> None:
    peer = RecordingPeer()
    async with connected(peer):
        assert isinstance(peer.wire, connection.Connection)
        sock = peer.wire._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        sizes = []
        for size in (1, 500_000, 100_000_000):
            peer.wire.set_send_buffer(size)
            # The kernel doubles what it is asked for, to account for its own overhead.
            sizes.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2)
        assert sizes == sorted(sizes)
        assert sizes[0] == connection.SEND_BUFFER_MIN_BYTES
        assert sizes[-1] <= connection.SEND_BUFFER_MAX_BYTES


# Files.


def file_of(data: bytes) -> MemoryFile:
    return MemoryFile([data])


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.anyio
async def test_a_part_of_a_file_is_sent() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        wire = peer.wire
        assert isinstance(wire, connection.FileWire)
        assert wire.sends_files
        peer.wire.write(b"head ")
        wire.send_file(file_of(b"0123456789"), 2, 5)
        assert wire.file_left == 0
        assert await anyio.to_thread.run_sync(client.recv, 100) == b"head 23456"
    assert peer.calls == ["connected", "closed"]


@pytest.mark.anyio
async def test_a_file_goes_on_when_the_client_reads() -> None:
    data = os.urandom(8_000_000)
    peer = RecordingPeer()
    async with connected(peer) as client:
        wire = peer.wire
        assert isinstance(wire, connection.FileWire)
        before = open_descriptors()
        wire.send_file(file_of(data), 0, len(data))
        assert peer.calls == ["connected", "paused"]
        assert 0 < wire.file_left < len(data)
        received = bytearray()
        while len(received) < len(data):
            received += await anyio.to_thread.run_sync(client.recv, 1 << 20)
        while "resumed" not in peer.calls:
            await anyio.lowlevel.checkpoint()
        assert bytes(received) == data
        assert peer.calls == ["connected", "paused", "resumed"]
        assert wire.file_left == 0
        assert open_descriptors() == before, "nothing of the file stays open"


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["close", "abort", "gone"])
async def test_a_file_that_is_not_sent_to_its_end_leaves_nothing_open(end: str) -> None:
    peer = RecordingPeer()
    before = open_descriptors()
    async with connected(peer) as client:
        wire = peer.wire
        assert isinstance(wire, connection.FileWire)
        wire.send_file(file_of(bytes(8_000_000)), 0, 8_000_000)
        if end == "gone":
            client.close()
        else:
            getattr(wire, end)("enough")
            wire.send_file(file_of(b"late"), 0, 4)
            client.close()
        await peer.gone.wait()
    gc.collect()
    assert peer.calls == ["connected", "paused", "closed"]
    assert open_descriptors() <= before


# Reads.


@pytest.mark.anyio
async def test_few_bytes_are_held_back_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HOLD_S", 60)
    reads: list[int] = []
    peer = RecordingPeer(lambda _, data: reads.append(len(data)))
    async with connected(peer) as client:
        peer.wire.read_least(1000)
        client.sendall(bytes(400))
        await anyio.sleep(0.01)
        assert reads == []
        client.sendall(bytes(600))
        while not reads:
            await anyio.lowlevel.checkpoint()
        assert reads == [1000]


@pytest.mark.anyio
async def test_nothing_is_held_back_for_long() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        peer.wire.read_least(1 << 30)
        client.sendall(b"all")
        with anyio.fail_after(PATIENCE_S):
            while not peer.data:
                await anyio.sleep(0.001)
        client.sendall(b" of it")
        with anyio.fail_after(PATIENCE_S):
            while peer.data != b"all of it":
                await anyio.sleep(0.001)


@pytest.mark.anyio
async def test_what_is_held_back_comes_before_the_end() -> None:
    peer = RecordingPeer()
    async with connected(peer) as client:
        peer.wire.read_least(1000)
        client.sendall(b"last words")
        client.close()
        await peer.gone.wait()
        peer.wire.read_least(1)
    assert peer.data == b"last words"


@pytest.mark.anyio
async def test_a_peer_that_needs_time_leaves_turns_to_others() -> None:
    calls: list[tuple[str, int]] = []

    def busy(peer: RecordingPeer, data: bytes) -> None:
        calls.append(("busy", len(data)))
        if len(calls) < 4:
            peer.wire.call_again()

    peer = RecordingPeer(busy)
    async with connected(peer) as client:
        client.sendall(b"work")
        while not calls:
            await anyio.lowlevel.checkpoint()
        client.sendall(b"more")
        while len(peer.data) < 8:
            calls.append(("other", 0))
            await anyio.lowlevel.checkpoint()
    kinds = [kind for kind, _ in calls]
    assert calls[0] == ("busy", 4)
    assert ("busy", 0) in calls
    assert kinds.index("other") < len(kinds) - 1 - kinds[::-1].index("busy")


@pytest.mark.anyio
async def test_a_peer_that_breaks_the_protocol_in_a_later_turn_is_closed() -> None:
    def refuse(peer: RecordingPeer, data: bytes) -> None:
        if not data:
            raise RemoteProtocolError("too much")
        peer.wire.call_again()

    peer = RecordingPeer(refuse)
    async with connected(peer) as client:
        client.sendall(b"work")
        client.shutdown(socket.SHUT_WR)
        await peer.gone.wait()
        peer.wire.call_again()
    assert peer.reason == "too much"


@pytest.mark.anyio
async def test_a_connection_that_ends_has_no_more_turns() -> None:
    def leave(peer: RecordingPeer, data: bytes) -> None:
        peer.wire.call_again()
        peer.wire.abort("enough")

    peer = RecordingPeer(leave)
    async with connected(peer) as client:
        client.sendall(b"work")
        await peer.gone.wait()
        await anyio.lowlevel.checkpoint()
    assert peer.data == b"work"
