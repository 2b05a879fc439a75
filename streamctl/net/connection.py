"""One TCP connection: an asyncio protocol that drives a peer and is its wire.

Theory of operation: the transport's write buffer limit is zero, so ``paused`` reaches the peer
within the very ``write`` that the kernel did not take completely, and ``resumed`` once the rest
is gone. Media waits in the lane's ring, where it is shared, not in buffers of connections.

Closing is orderly: what was written is flushed, then our side of the stream ends, then arriving
bytes are dropped until the peer ends its side. Closing a socket with unread bytes would reset
the connection and destroy the last answer before the peer has read it. After
:data:`FLUSH_S` the connection is cut whatever the peer does. From ``close`` on the peer object
hears nothing but ``closed``.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
import struct
import termios
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import anyio

from streamctl.errors import LocalProtocolError, RemoteProtocolError, StreamctlError
from streamctl.net.address import show
from streamctl.net.failure import describe
from streamctl.sdk.lane import Wire

if TYPE_CHECKING:
    from streamctl.net.memory_file import MemoryFile
    from streamctl.sdk.endpoints import Address, Peer

FLUSH_S = 2.0
"""A live viewer has no use for bytes that it could not take within this time."""

SEND_BUFFER_MIN_BYTES = 128 * 1024
"""Below this a path of 100 ms round trip can't carry 10 Mbit/s."""
SEND_BUFFER_MAX_BYTES = 1024 * 1024
"""Above this a stalled viewer hides seconds of media in the kernel."""
SEND_BUFFER_DEFAULT_BYTES = 256 * 1024

READ_BYTES = 256 * 1024
"""More than a kernel buffer of a media connection usually holds."""

VANISHED_S = 30
"""A peer that acknowledges nothing, or takes nothing, for this long is gone. It is longer than
the default ``slow_viewer_timeout_s``, so that a stalled viewer is closed by the engine, which
can say why."""
PROBE_AFTER_S = 10
PROBE_EVERY_S = 5

READ_LEAST_MAX_BYTES = 8 * 1024
"""More is never held back: the peer's window would close on it."""
HOLD_S = 0.03
"""What is held back, because more was asked for, is handed over after one to two of these."""

QUEUED = struct.Struct("i")
NOTHING_QUEUED = bytes(QUEUED.size)

log = logging.getLogger(__name__)


@runtime_checkable
class FileWire(Wire, Protocol):
    """A wire that sends files without copying them, where the connection can."""

    @property
    def sends_files(self) -> bool:
        """Whether :meth:`send_file` may be used."""

    @property
    def file_left(self) -> int:
        """Bytes of the file that the kernel has not taken."""

    def send_file(self, file: MemoryFile, start: int, size: int) -> None:
        """Send a part of a file; may call the peer's ``paused`` before it returns.

        Nothing may be written between ``paused`` and ``resumed``.
        """


class Connections:
    """The open connections of one listener."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_BYTES))
        """Every read goes here first and becomes bytes of its true size at once. Reading into
        fresh bytes of the largest size costs more than the read itself: an allocation as large
        as that is a mapping of its own."""
        self._open: set[Connection] = set()
        self._held: set[Connection] = set()
        """Connections whose bytes the kernel holds back until there are enough."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, connection: Connection) -> None:
        """Take note of a connection that came up."""
        self._open.add(connection)
        self._empty.clear()

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._open.discard(connection)
        if not self._open:
            self._empty.set()

    def hold(self, connection: Connection) -> None:
        """See to it that what the kernel holds back for a connection is not held for long."""
        self._held.add(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(HOLD_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        self._held = {connection for connection in self._held if connection.holds()}
        if self._held:
            self._sweeper = asyncio.get_running_loop().call_later(HOLD_S, self._sweep)

    async def gone(self) -> None:
        """Wait until none is open."""
        await self._empty.wait()

    async def close(self, reason: str, grace_s: float) -> None:
        """Close all of them; those that take longer than ``grace_s`` are cut."""
        for connection in list(self._open):
            connection.close(reason)
        with anyio.move_on_after(grace_s):
            await self._empty.wait()
        for connection in list(self._open):
            connection.abort(reason)
        await self._empty.wait()


class Connection(asyncio.BufferedProtocol):
    """Drives a :class:`~streamctl.sdk.endpoints.Peer` and implements its ``Wire``."""

    __slots__ = (
        "_closing",
        "_connections",
        "_fd",
        "_file",
        "_heard",
        "_least",
        "_loop",
        "_lost",
        "_peer",
        "_reason",
        "_socket",
        "_timer",
        "_transport",
        "_watched",
        "remote",
        "sends_files",
    )

    def __init__(self, peer: Peer, connections: Connections) -> None:
        self.remote: Address = ("", 0)
        self._peer = peer
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._closing = True
        self._lost = False
        self._fd = -1
        self._least = 1
        self._heard = False
        self._socket: socket.socket
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._file: tuple[MemoryFile, int, int] | None = None
        """What is being sent: the file, where to go on, and where to end."""
        self._watched = -1
        """Another descriptor of our socket, watched for room while a file is being sent: the
        transport's own belongs to the transport."""
        self.sends_files = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: the transports of uvloop have classes of their own.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._closing = False
        name = transport.get_extra_info("peername")
        self.remote = (str(name[0]), int(name[1])) if name else ("", 0)
        self._socket = transport.get_extra_info("socket")
        self._fd = self._socket.fileno()
        tls = transport.get_extra_info("ssl_object") is not None
        # The TLS transport compares with >=, so a limit of zero would always be exceeded.
        transport.set_write_buffer_limits(high=1 if tls else 0, low=0)
        self.sends_files = not tls
        tune(self._socket)
        self._connections.add(self)
        try:
            self._peer.connected(self, self.remote)
        except Exception as error:
            self._fail(error)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._connections.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        self._heard = True
        self._receive(self._connections.buffer[:nbytes])

    def pause_writing(self) -> None:
        if self._closing:
            return
        try:
            self._peer.paused()
        except Exception as error:
            self._fail(error)

    def resume_writing(self) -> None:
        if self._closing:
            self._loop.call_soon(self._end_sending)
            return
        try:
            self._peer.resumed()
        except Exception as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._lost = True
        self._fd = -1
        self._drop_file()
        if self._timer is not None:
            self._timer.cancel()
        self._connections.discard(self)
        reason = self._reason
        if not reason:
            reason = describe(exc) if isinstance(exc, OSError) else "closed by the peer"
        try:
            self._peer.closed(reason)
        except Exception:
            log.exception("%s: error after the connection was closed", show(self.remote))
        # Most of it refers to us. Under TLS a connection is half a megabyte, and the collector of
        # circles comes late, as it counts objects and not their bytes.
        del self._peer, self._transport, self._socket, self._connections

    # What the peer and the engine call.

    def write(self, data: bytes | memoryview) -> None:
        """Send without waiting; may call the peer's ``paused`` before it returns."""
        if not self._closing:
            self._transport.write(data)

    @property
    def file_left(self) -> int:
        """Bytes of the file that the kernel has not taken."""
        return 0 if self._file is None else self._file[2] - self._file[1]

    def send_file(self, file: MemoryFile, start: int, size: int) -> None:
        """Send a part of a file without copying it."""
        if self._closing:
            return
        self._file = (file, start, start + size)
        if self._send_some():
            return
        try:
            self._watched = os.dup(self._fd)
        except OSError as error:
            self.abort(describe(error))
            return
        self._loop.add_writer(self._watched, self._on_room)
        self._peer.paused()

    def set_send_buffer(self, size: int) -> None:
        """Let the kernel hold about ``size`` bytes, within the bounds that make sense."""
        if not self._lost:
            set_send_buffer(self._socket, size)

    def read_least(self, size: int) -> None:
        """Let the kernel hold arriving bytes back until there are ``size``, but not for long."""
        size = min(size, READ_LEAST_MAX_BYTES)
        if size != self._least and not self._closing:
            self._least = size
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
            if size > 1:
                self._connections.hold(self)

    def call_again(self) -> None:
        """Stop reading until the next turn of the loop, which begins with no bytes at all."""
        if not self._closing:
            self._transport.pause_reading()
            self._loop.call_soon(self._again)

    def _again(self) -> None:
        if self._lost:
            return
        self._transport.resume_reading()
        if not self._closing:
            self._receive(b"")

    def _receive(self, data: bytes | memoryview) -> None:
        try:
            self._peer.received(data)
        except Exception as error:
            self._fail(error)

    def holds(self) -> bool:
        """Whether bytes may still be held back; a silence ends it."""
        if self._closing:
            return False
        if not self._heard:
            self.read_least(1)
        self._heard = False
        return self._least > 1

    def unsent(self) -> int:
        """Bytes accepted by :meth:`write` that the peer's kernel has not acknowledged."""
        if self._fd < 0:
            return 0
        try:
            queued = fcntl.ioctl(self._fd, termios.TIOCOUTQ, NOTHING_QUEUED)
        except OSError:
            # Under TLS the socket is closed a turn of the loop before we are told.
            return 0
        return int(QUEUED.unpack(queued)[0]) + self._transport.get_write_buffer_size()

    def close(self, reason: str) -> None:
        """Flush what was written, then close; never raises, may be called twice."""
        if self._closing:
            return
        self._closing = True
        self._reason = reason
        self._drop_file()
        self._timer = self._loop.call_later(FLUSH_S, self._transport.abort)
        # Not at once: a transport that has just made room has not finished with this event, and
        # would end its side of the stream a second time, when the peer may be gone.
        self._loop.call_soon(self._end_sending)

    def abort(self, reason: str) -> None:
        """Close at once, dropping what was not sent."""
        if self._lost:
            return
        self._reason = self._reason or reason
        self._closing = True
        self._transport.abort()

    def _send_some(self) -> bool:
        """Send what the kernel takes of the file; whether that was all."""
        assert self._file is not None
        file, start, end = self._file
        try:
            while start < end and (sent := os.sendfile(self._fd, file.fd, start, end - start)):
                start += sent
        except BlockingIOError:
            self._file = (file, start, end)
            return False
        except OSError as error:
            self.abort(describe(error))
        self._file = None
        return True

    def _on_room(self) -> None:
        """The kernel takes bytes again."""
        if self._file is None or not self._send_some():
            return
        self._drop_file()
        if not self._closing:
            self.resume_writing()

    def _drop_file(self) -> None:
        """Send no more of a file."""
        self._file = None
        if self._watched >= 0:
            self._loop.remove_writer(self._watched)
            os.close(self._watched)
            self._watched = -1

    def _end_sending(self) -> None:
        """End our side of the stream if nothing is left to flush."""
        if self._lost:
            return
        transport = self._transport
        # A TLS transport that the peer has ended can't even be asked what it holds.
        if transport.is_closing() or transport.get_write_buffer_size():
            return
        if not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:
            transport.abort()

    def _fail(self, error: Exception) -> None:
        """End this connection, and nothing else, because its peer object raised."""
        where = show(self.remote)
        if isinstance(error, StreamctlError) and not isinstance(error, LocalProtocolError):
            log.info("%s: %s", where, error)
            if isinstance(error, RemoteProtocolError) and error.reply:
                self.write(error.reply)
            self.close(str(error))
        else:
            log.error("%s: closed after an error of ours", where, exc_info=error)
            self.close("internal error")


def tune(sock: socket.socket) -> None:
    """Set what every media connection needs: no delay, bounded buffers, dead peers noticed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_send_buffer(sock, SEND_BUFFER_DEFAULT_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_EVERY_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_S * 1000)


def set_send_buffer(sock: socket.socket, size: int) -> None:
    """Set SO_SNDBUF within the limits above."""
    size = min(max(size, SEND_BUFFER_MIN_BYTES), SEND_BUFFER_MAX_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
