"""Fetches whole responses, many of them: keeps connections, cookies and who may know what.

Redirects are followed; bodies have a limit and are given as they are meant, uncompressed. What is
asked for again after a failure is the caller's matter, except for a connection that was closed
while nobody used it.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl.net.http_answer import ResponseReader
from streamctl.net.http_client import MAX_REDIRECTS, REDIRECTS, check_status
from streamctl.net.http_cookies import CookieJar
from streamctl.net.tcp import connect_tcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.net.http_answer import Head
    from streamctl.net.http_client import Trust
    from streamctl.net.http_target import Target
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

IDLE_LINES = 4
"""Connections that are kept for one server: pictures, sound and a playlist for each."""
IDLE_MAX = 16
"""The same for all servers: some lead to another one with every segment, for weeks."""
PACKED_RATIO = 100
"""Text shrinks to a tenth, to a hundredth when it repeats itself; more is an attack."""
THREAD_BYTES = 16_384
"""What is packed and larger may become a hundred times as much, and is unpacked in a thread."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    target: Target
    """Where it came from in the end."""
    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    target: Target
    most: int
    """Bytes that the body may have."""
    span: tuple[int, int] | None = None
    """Where the wanted bytes begin, and how many; None = all."""
    packed: bool = False
    """The body may come compressed."""
    timeout_s: float = 15.0
    """From the request to the last byte."""


class Line:
    """A connection for one request after another; a :class:`~streamctl.sdk.endpoints.Peer`."""

    wire: Wire

    def __init__(self, origin: tuple[str, str, int]) -> None:
        self.origin = origin
        """The server that it leads to."""
        self.open = False
        self.used = 0
        """Requests that were served before."""
        self.failure: StreamctlError | None = None
        self.changed = anyio.Event()
        self.reader = ResponseReader()
        self.body: list[bytes] = []
        self.size = 0
        self.passed = 0
        """Bytes of the body that came, those that nobody wants among them."""
        self.most = 0
        self.span: tuple[int, int] | None = None
        self.shown = ""

    def connected(self, wire: Wire, remote: Address) -> None:
        """The connection is up."""
        self.wire = wire
        self.open = True

    def ask(self, wish: Wish, headers: Mapping[str, str]) -> None:
        """Send a request; ``changed`` is set when it is answered or has failed."""
        self.reader = ResponseReader()
        self.body, self.size, self.passed = [], 0, 0
        self.most, self.span = wish.most, wish.span
        self.failure, self.changed = None, anyio.Event()
        self.shown = f"`{wish.target.shown}`"
        if not wish.target.secure:
            self.wire.read_least(1)
        self.wire.write(wish.target.request(headers, keep=True))

    def received(self, data: bytes | memoryview) -> None:
        """Take what the server sends; what nobody asked for ends the connection."""
        reader = self.reader
        if self.changed.is_set() or reader.complete:
            self.close()
            return
        try:
            body = reader.feed(data)
        except RemoteProtocolError as error:
            self.fail(RemoteProtocolError(f"{self.shown}: {error}"))
            return
        wanted = self._wanted(body)
        if wanted:
            self.body.append(wanted)
            self.size += len(wanted)
            if self.size > self.most:
                self.fail(RemoteProtocolError(f"{self.shown} has more than {self.most} bytes"))
                return
        if reader.complete:
            self.changed.set()
        elif body and self.cut and self.size == self.cut[1]:
            # The rest would only be in the way of the next request.
            self.changed.set()
            self.close()

    @property
    def cut(self) -> tuple[int, int] | None:
        """What has to be cut out of the body; None = it is wanted as it comes."""
        head = self.reader.head
        return self.span if head is not None and head.status == HTTPStatus.OK else None

    def _wanted(self, body: bytes) -> bytes:
        """What is wanted of a piece of the body: a file may be much larger than the part of it."""
        begin = self.passed
        self.passed += len(body)
        if self.cut is None:
            return body
        start, length = self.cut
        return body[max(0, start - begin) : max(0, start + length - begin)]

    def paused(self) -> None:
        """A request fits any buffer."""

    def resumed(self) -> None:
        """A request fits any buffer."""

    def closed(self, reason: str) -> None:
        """The connection is gone; it may have been the sign of a body's end."""
        self.open = False
        if not self.changed.is_set() and self.reader.end():
            self.changed.set()
        self.fail(ConnectionFailed(f"{self.shown}: {reason}"))

    def fail(self, error: StreamctlError) -> None:
        """End the request with an error, unless it has ended; and the connection."""
        if not self.changed.is_set():
            self.failure = error
            self.changed.set()
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self.open:
            self.open = False
            self.wire.abort("done")


class HttpSession:
    """Fetches from the servers that one input leads to."""

    def __init__(self, clock: Clock, trust: Trust, connect_s: float) -> None:
        self.clock = clock
        self.trust = trust
        self.connect_s = connect_s
        self.cookies = CookieJar()
        self._idle: list[Line] = []
        """The one that was used last stands last."""

    def close(self) -> None:
        """Close what is kept."""
        for line in self._idle:
            line.close()
        self._idle.clear()

    async def get(self, wish: Wish) -> Answer:
        """The answer to a wish, wherever that leads.

        Raises:
            ConnectionFailed: not reachable, not in time, a refusal, or a circle.
            RemoteProtocolError: no HTTP, too large, or a body that can't be unpacked.
        """
        with deadline(self.clock, wish.timeout_s):
            return await self._follow(wish)
        raise ConnectionFailed(f"`{wish.target.shown}` took longer than {wish.timeout_s:g} s")

    async def _follow(self, wish: Wish) -> Answer:
        target = wish.target
        seen = {target.url}
        while True:
            line = await self._asked(wish, target)
            head = line.reader.head
            assert head is not None
            self.cookies.take(head.cookies, target)
            # A connection that is kept must not keep what came by it.
            body, line.body = b"".join(line.body), []
            self._keep(line)
            location = head.headers.get("location")
            if head.status not in REDIRECTS or not location:
                return Answer(target, head, await self._judged(wish, target, head, body))
            target = target.redirected(location)
            if target.url in seen or len(seen) > MAX_REDIRECTS:
                raise ConnectionFailed(f"`{target.shown}` sends us in a circle", permanent=True)
            seen.add(target.url)

    async def _judged(self, wish: Wish, target: Target, head: Head, body: bytes) -> bytes:
        """The body that was wanted."""
        shown = f"`{target.shown}`"
        if wish.span is not None and head.status == HTTPStatus.PARTIAL_CONTENT:
            if len(body) != wish.span[1]:
                raise RemoteProtocolError(f"{shown} sent another range than was asked for")
            return body
        check_status(head, shown)
        if wish.span is not None:
            start, length = wish.span
            if len(body) < length:
                raise RemoteProtocolError(f"{shown} has no bytes {start} to {start + length}")
            return body
        if len(body) < THREAD_BYTES or "content-encoding" not in head.headers:
            return unpacked(head, body, wish.most, shown)
        return await to_thread.run_sync(unpacked, head, body, wish.most, shown)

    async def _asked(self, wish: Wish, target: Target) -> Line:
        """A connection with a whole response."""
        headers = self.cookies.headers(target)
        if wish.packed:
            headers["Accept-Encoding"] = "gzip"
        if wish.span is not None:
            start, length = wish.span
            headers["Range"] = f"bytes={start}-{start + length - 1}"
        asked = Wish(target, wish.most, wish.span)
        while True:
            line = await self._line(target)
            try:
                line.ask(asked, headers)
                await line.changed.wait()
            except BaseException:
                line.close()
                raise
            if line.failure is None:
                return line
            if not line.used or line.reader.head is not None or line.open:
                raise line.failure
            # It was closed while nobody used it.

    async def _line(self, target: Target) -> Line:
        """A connection to a server, new or kept."""
        self._forget_closed()
        for line in reversed(self._idle):
            if line.origin == target.origin:
                self._idle.remove(line)
                return line
        line = Line(target.origin)
        tls = await self.trust() if target.secure else None
        await connect_tcp(target.host, target.port, line, tls=tls, timeout_s=self.connect_s)
        return line

    def _keep(self, line: Line) -> None:
        """Keep a connection for the next request, if that is possible."""
        line.used += 1
        self._forget_closed()
        alike = sum(one.origin == line.origin for one in self._idle)
        if not (line.open and line.reader.reusable) or alike >= IDLE_LINES:
            line.close()
            return
        self._idle.append(line)
        if len(self._idle) > IDLE_MAX:
            self._idle.pop(0).close()

    def _forget_closed(self) -> None:
        self._idle = [line for line in self._idle if line.open]


@contextmanager
def deadline(clock: Clock, delay_s: float) -> Iterator[None]:
    """Ends quietly what runs inside after a time."""
    with anyio.CancelScope() as scope:
        timer = clock.call_later(delay_s, scope.cancel)
        try:
            yield
        finally:
            timer.cancel()


def unpacked(head: Head, body: bytes, most: int, shown: str) -> bytes:
    """A body without its content coding.

    Raises:
        RemoteProtocolError: of another kind, damaged, or too large.
    """
    coding = head.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"} or not body:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise RemoteProtocolError(f"{shown} is packed in a way that nobody asked for: `{coding}`")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = inflate.decompress(body, min(most, len(body) * PACKED_RATIO) + 1)
    except zlib.error as error:
        raise RemoteProtocolError(f"{shown} can't be unpacked: {error}") from None
    if len(plain) > min(most, len(body) * PACKED_RATIO):
        raise RemoteProtocolError(f"{shown} has more than {most} bytes unpacked")
    if not inflate.eof:
        raise RemoteProtocolError(f"{shown} can't be unpacked: it is cut off")
    return plain
