"""One avworker child as its parent sees it: start, receive, and the end in every case.

The child is spawned, never forked into Python code, with one end of a socketpair as its only
channel. Reading is pull-driven: while nobody calls :meth:`Child.receive` the socket fills and
the child waits. Whatever happens, leaving :func:`start` kills and reaps the child.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from streamctl.avworker import wire
from streamctl.avworker.wire import FailureKind, Record, RecordType
from streamctl.errors import ConnectionFailed, MediaError, RemoteProtocolError, StreamctlError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator

SOCKET_BUFFER_BYTES = 1 << 20
"""How far the child may read ahead; about a second of media."""
READ_BYTES = 256 << 10
SILENCE_S = 15.0
"""A child beats every second; one that is silent this long while its parent listens hangs."""
REAP_S = 1.0
"""SIGKILL takes effect at once unless the child sits in a dead file system."""
LAST_WORDS_BYTES = 4096


class Child:
    """A running child and the records that it sends."""

    def __init__(self, process: Process, sock: socket.socket, words: int) -> None:
        self.process = process
        self.sock = sock
        self.words = words
        """A file with what the child says on standard error; -1 once the child was reaped."""
        self.reader = wire.RecordReader()
        self.records: deque[Record] = deque()
        self._busy = 0
        """Calls that wait for the socket."""

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self.process.pid

    async def receive(self) -> Record:
        """The next record that is not a heartbeat.

        Raises:
            MediaError: the child reported a failure, died, hangs, or sent nonsense.
            ConnectionFailed: the child could not reach the source.
        """
        while True:
            while self.records:
                record = self.records.popleft()
                if record.type is RecordType.FAILED:
                    raise failure(record)
                if record.type is not RecordType.HEARTBEAT:
                    return record
            await self._fill()

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with self._using(), anyio.fail_after(SILENCE_S):
                data = await loop.sock_recv(self.sock, READ_BYTES)
        except TimeoutError:
            raise MediaError(f"the media process was silent for {SILENCE_S:g} s") from None
        except OSError:
            data = b""
        if not data:
            raise MediaError(await self._obituary())
        try:
            self.records.extend(self.reader.receive_data(data))
        except RemoteProtocolError as error:
            raise MediaError(f"the media process sent nonsense: {error}") from None

    async def send(self, records: bytes) -> None:
        """Send records to the child.

        Raises:
            MediaError: the child died.
        """
        try:
            with self._using():
                await asyncio.get_running_loop().sock_sendall(self.sock, records)
        except OSError:
            raise MediaError(await self._obituary()) from None

    async def _obituary(self) -> str:
        with anyio.move_on_after(REAP_S):
            await self.process.wait()
        how = cause_of_death(self.process.returncode)
        words = last_line(self.words) if self.words >= 0 else ""
        return f"the media process {how}: {words}" if words else f"the media process {how}"

    async def reap(self) -> None:
        """Kill the child if it still runs and wait until it is gone."""
        # Wakes who waits for the socket; had it been closed under them, they would wait for ever.
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(REAP_S):
                if self.process.returncode is None:
                    self.process.kill()
                await self.process.wait()
            while self._busy:
                await anyio.lowlevel.checkpoint()
        self.sock.close()
        self.words = -1

    @contextmanager
    def _using(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1


@asynccontextmanager
async def start(job: wire.Job) -> AsyncIterator[Child]:
    """A child that has said HELLO and got its job; gone when the context ends.

    Raises:
        MediaError: the child can't be started, or died at once.
    """
    words = os.memfd_create("avworker-stderr", os.MFD_CLOEXEC)
    try:
        child = await spawn(words)
        try:
            await child.send(wire.job_record(job).serialize())
            wire_check(await child.receive())
            yield child
        finally:
            await child.reap()
    finally:
        os.close(words)


async def spawn(words: int) -> Child:
    """Start the process; its standard error goes to the file descriptor ``words``."""
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "streamctl.avworker"),
            *(str(theirs.fileno()), str(os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=words,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise MediaError(f"can't start the media process: {error.strerror}") from None
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(process, ours, words)


def wire_check(record: Record) -> None:
    """Check HELLO in the error tree of the caller."""
    try:
        wire.check_hello(record)
    except RemoteProtocolError as error:
        raise MediaError(error.message, hint=error.hint, permanent=True) from None


def failure(record: Record) -> StreamctlError:
    """The exception for FAILED."""
    try:
        report = wire.parse_failed(record)
    except RemoteProtocolError as error:
        return MediaError(f"the media process sent nonsense: {error}")
    if report.kind is FailureKind.CONNECTION:
        return ConnectionFailed(report.message, hint=report.hint)
    return MediaError(report.message, hint=report.hint)


def cause_of_death(returncode: int | None) -> str:
    """A return code in words."""
    if returncode is None:
        return "closed its channel"
    if returncode < 0:
        try:
            return f"was killed by {signal.Signals(-returncode).name}"
        except ValueError:
            return f"was killed by signal {-returncode}"
    return f"ended with code {returncode}"


def last_line(words: int) -> str:
    """The last line that the child wrote to standard error."""
    size = os.fstat(words).st_size
    tail = os.pread(words, LAST_WORDS_BYTES, max(0, size - LAST_WORDS_BYTES))
    lines = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
