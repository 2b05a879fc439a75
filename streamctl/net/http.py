"""The HTTP/1.1 server for media: playlists, segments, endless streams, player pages.

It parses, frames, limits and times; what a path means is the :class:`HttpApp`'s matter. Handlers
are plain functions that answer from memory. Bodies go out in pieces as the client takes them, so
that a slow client holds one piece and shares the rest.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.errors import StreamctlError
from streamctl.net.clock import LoopClock
from streamctl.net.connection import FileWire
from streamctl.net.http_chunked import ChunkedWire, ChunkFramer
from streamctl.net.http_condition import cut
from streamctl.net.http_plain import PlainPeer
from streamctl.net.http_request import PIPELINE_MAX, Incoming, RequestReader
from streamctl.net.http_response import ResponseWriter, problem, refused
from streamctl.net.tcp import TcpServer
from streamctl.sdk.endpoints import Bytes, HttpRequest, Live, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamctl.net.http_response import Response
    from streamctl.net.memory_file import MemoryFile, MemoryFiles
    from streamctl.net.tls import ServerTls
    from streamctl.sdk.context import Clock, Timer
    from streamctl.sdk.endpoints import Address, Reply
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Refusal

PIECE_BYTES = 256 * 1024
"""What one write hands over; the transport copies what the kernel leaves of it."""
BODY_BUFFER_BYTES = 384 * 1024
"""For bodies that have an end the kernel may hold more than of live media; with more than this the
work of sending no longer fits into the caches of a core."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger(__name__)


class LivePeer(Protocol):
    """The app's side of an endless response."""

    def paused(self) -> None:
        """The client takes no more for now."""

    def resumed(self) -> None:
        """The client takes bytes again."""

    def closed(self, reason: str) -> None:
        """The client is gone; called exactly once."""


class HttpApp(Protocol):
    """What a server serves; everything is synchronous and answers from memory."""

    files: MemoryFiles
    """What many clients ask for, a second time; the app counts it and says how much may be held."""

    def admit(self, ip: str) -> Refusal | None:
        """Count a new connection against the limits; None = let in."""

    def release(self, ip: str) -> None:
        """The connection of an earlier successful :meth:`admit` is gone."""

    def handle(self, request: HttpRequest) -> Reply:
        """Answer a ``GET`` or ``HEAD``; the body of a reply to ``HEAD`` is not sent."""

    def live(
        self, request: HttpRequest, reply: Live, wire: Wire, close: Callable[[str], None]
    ) -> LivePeer:
        """Take over the wire: head and preamble of ``reply`` have been written to it."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may take in time and size."""

    header_s: float = 10.0
    """From the first byte of a request, or from the connection, to the end of its header."""
    keepalive_s: float = 30.0
    """How long a connection may rest between requests."""
    stall_s: float = 60.0
    """How long a client may leave one piece of a response unread."""
    max_header_bytes: int = 16_384


@dataclass(frozen=True, slots=True)
class Site:
    """What all connections of one server share."""

    app: HttpApp
    clock: Clock
    writer: ResponseWriter
    limits: HttpLimits
    framer: ChunkFramer


@dataclass(slots=True)
class FilePart:
    """A body that is sent from a file."""

    file: MemoryFile
    start: int
    size: int


class HttpServer:
    """Serves an app on one address; implements the ``retire`` of ``sdk`` listeners."""

    def __init__(
        self,
        address: Address,
        app: HttpApp,
        *,
        tls: ServerTls | None = None,
        cors: Sequence[str] = ("*",),
        limits: HttpLimits | None = None,
    ) -> None:
        """Let pages of the origins in ``cors`` read the responses; ``*`` is every page."""
        clock = LoopClock()
        writer = ResponseWriter(clock.wall, cors)
        site = Site(app, clock, writer, limits or HttpLimits(), ChunkFramer())
        self._app = app
        self._tcp = TcpServer(
            address,
            lambda: HttpPeer(site),
            tls=tls,
            plain=lambda: PlainPeer(writer),
            key="http.address",
        )

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Serve until cancelled, or retired and left by all; ``ready`` gets the bound address.

        Raises:
            ConnectionFailed: the address can't be bound.
            ConfigError: the certificate can't be used.
        """
        try:
            await self._tcp.serve(ready)
        finally:
            # Whoever took the place of a retired server serves from the same files.
            if not self._tcp.retired.is_set():
                self._app.files.clear()

    def retire(self) -> None:
        """Free the address; clients that are connected stay."""
        self._tcp.retire()


async def serve_http(
    address: Address,
    app: HttpApp,
    *,
    ready: Callable[[Address], None],
    tls: ServerTls | None = None,
    cors: Sequence[str] = ("*",),
    limits: HttpLimits | None = None,
) -> None:
    """Serve ``app`` until cancelled; as :class:`HttpServer` does.

    Raises:
        ConnectionFailed: the address can't be bound.
        ConfigError: the certificate can't be used.
    """
    await HttpServer(address, app, tls=tls, cors=cors, limits=limits).serve(ready)


class HttpPeer:
    """One client: takes its requests in order, one answer at a time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._limits = site.limits
        self._clock = site.clock
        self._wire: Wire
        self._reader: RequestReader
        self._ip = ""
        self._admitted = False
        self._queue: deque[Incoming] = deque()
        self._file_wire: FileWire | None = None
        """The wire, if it sends files."""
        self._file_left = 0
        """What was left of a file when its client was last looked at."""
        self._outbox: deque[bytes | memoryview | FilePart] = deque()
        self._current: Incoming
        self._full = False
        """The wire takes nothing until ``resumed``."""
        self._task: asyncio.Task[None] | None = None
        """Waits for the event of a reply."""
        self._live: LivePeer | None = None
        self._roomy = False
        """The kernel has been asked to hold large bodies."""
        self._last = False
        """The answer being sent is the last one of this connection."""
        self._ended = False
        self._deadline = math.inf
        self._timer: Timer | None = None

    # What the connection calls.

    def connected(self, wire: Wire, remote: Address) -> None:
        """Admit the client and give it time for its first request."""
        self._wire = wire
        if isinstance(wire, FileWire) and wire.sends_files:
            self._file_wire = wire
        self._ip = remote[0]
        self._reader = RequestReader(remote, self._limits.max_header_bytes)
        refusal = self._site.app.admit(self._ip)
        if refusal is not None:
            self._refuse(refused(refusal), refusal.message)
            return
        self._admitted = True
        self._deadline = self._clock.now() + self._limits.header_s
        self._timer = self._clock.call_later(self._limits.header_s, self._check)

    def received(self, data: bytes | memoryview) -> None:
        """Serve the requests that these bytes complete."""
        if self._ended or self._last or self._live is not None:
            return
        was_partial = self._reader.partial
        requests = self._reader.feed(bytes(data))
        if self._task is None and not self._full:
            # Bytes that trickle into one header don't move its deadline.
            if self._reader.partial and (requests or not was_partial):
                self._deadline = self._clock.now() + self._limits.header_s
            elif requests:
                self._deadline = self._clock.now() + self._limits.keepalive_s
        self._queue.extend(requests)
        if len(self._queue) > PIPELINE_MAX:
            self._end("too many requests at once")
        else:
            self._advance()

    def paused(self) -> None:
        """Keep the rest of the body until the client has read on."""
        self._full = True
        if self._live is not None:
            self._live.paused()
            return
        self._deadline = self._clock.now() + self._limits.stall_s
        if self._file_wire is not None:
            self._file_left = self._file_wire.file_left

    def resumed(self) -> None:
        """Go on sending."""
        self._full = False
        if self._live is not None:
            self._live.resumed()
            return
        self._deadline = self._clock.now() + self._limits.keepalive_s
        self._pump()
        self._advance()

    def closed(self, reason: str) -> None:
        """Forget the client."""
        self._ended = True
        self._queue.clear()
        self._outbox.clear()
        self._reader.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._admitted:
            self._site.app.release(self._ip)
        if self._live is not None:
            self._live.closed(reason)

    # Requests.

    def _advance(self) -> None:
        """Serve what has been asked, as long as nothing stands in the way."""
        while self._queue and not (self._full or self._outbox or self._task or self._ended):
            if self._last or self._live is not None:
                self._queue.clear()
                return
            self._current = self._queue.popleft()
            if self._current.interim:
                self._wire.write(CONTINUE)
                continue
            self._last = not self._current.keep_alive
            if self._current.refusal is not None:
                self._answer(self._current.refusal)
            elif self._current.request.method == "OPTIONS":
                self._answer(self._site.writer.preflight(self._current.request))
            else:
                self._answer(self._ask(partial(self._site.app.handle, self._current.request)))

    def _ask(self, handler: Callable[[], Reply]) -> Reply:
        try:
            return handler()
        except Exception:
            log.exception("%s: no answer to `%s`", self._ip, self._current.request.path)
            return problem(500, "internal error")

    def _answer(self, reply: Reply) -> None:
        try:
            if isinstance(reply, Bytes):
                self._send(reply)
            elif isinstance(reply, Live):
                self._go_live(reply)
            else:
                self._deadline = math.inf
                self._task = asyncio.get_running_loop().create_task(self._wait(reply))
        except Exception:
            log.exception("%s: bad answer to `%s`", self._ip, self._current.request.path)
            self._last = True
            self._send(problem(500, "internal error"))

    async def _wait(self, reply: Wait) -> None:
        """Answer once the event is set or the time is up."""
        with anyio.move_on_after(reply.timeout_s):
            await reply.event.wait()
        self._task = None
        self._deadline = self._clock.now() + self._limits.keepalive_s
        self._answer(self._ask(reply.then))
        self._advance()

    def _send(self, reply: Bytes) -> None:
        request = self._current.request
        response = self._site.writer.response(request, reply, keep_alive=not self._last)
        self._wire.write(response.head)
        if response.first < response.last:
            if not self._roomy:
                self._roomy = True
                self._wire.set_send_buffer(BODY_BUFFER_BYTES)
            self._outbox.extend(self._pieces(response))
        self._pump()

    def _pieces(self, response: Response) -> Iterator[bytes | memoryview | FilePart]:
        """A large body in pieces, from its file if it has one."""
        file = self._site.app.files.get(response.body) if self._file_wire is not None else None
        if file is not None:
            yield FilePart(file, response.first, response.last - response.first)
            return
        parts = [response.body] if isinstance(response.body, bytes) else response.body
        for view in cut(parts, response.first, response.last):
            for start in range(0, len(view), PIECE_BYTES):
                yield view[start : start + PIECE_BYTES]

    def _pump(self) -> None:
        """Write until the wire is full; close after the last answer."""
        while self._outbox and not self._full:
            piece = self._outbox.popleft()
            if not isinstance(piece, FilePart):
                self._wire.write(piece)
            elif self._file_wire is not None:
                self._file_wire.send_file(piece.file, piece.start, piece.size)
        if self._last and not (self._outbox or self._full or self._task or self._ended):
            self._end("answered")

    def _go_live(self, reply: Live) -> None:
        request = self._current.request
        head = self._site.writer.live_head(request, reply)
        self._last = True
        if request.method == "HEAD":
            self._wire.write(head)
            self._end("answered")
            return
        self._deadline = math.inf
        wire, preamble = self._wire, reply.preamble
        if request.version == "1.1":
            preamble = self._site.framer.frame(preamble)
            wire = ChunkedWire(wire, self._site.framer)
        self._wire.write(head + preamble)
        try:
            live = self._site.app.live(request, reply, wire, wire.close)
        except StreamctlError as error:
            self._end(str(error))
            return
        except Exception:
            log.exception("%s: `%s` broke off", self._ip, request.path)
            self._end("internal error")
            return
        self._live = live
        if self._full:
            live.paused()

    # Time and the end.

    def _check(self) -> None:
        """End the connection if its deadline has passed; else look again when it will have.

        The deadline moves with every request, which costs less than a timer for each.
        """
        left = self._deadline - self._clock.now()
        if self._live is not None or self._ended:
            return
        if left > 0:
            delay_s = min(left, self._limits.keepalive_s)
            self._timer = self._clock.call_later(delay_s, self._check)
        elif self._full:
            self._look_at_stall()
        elif self._reader.partial:
            self._refuse(problem(408, "the request took too long"), "request too slow")
        else:
            self._end("idle")

    def _look_at_stall(self) -> None:
        """Cut a client that has taken nothing for too long."""
        left = self._file_wire.file_left if self._file_wire is not None else 0
        if left and left != self._file_left:
            self._file_left = left
            self._deadline = self._clock.now() + self._limits.stall_s
            self._check()
            return
        self._ended = True
        self._wire.abort("took nothing of the response")

    def _refuse(self, reply: Bytes, reason: str) -> None:
        """Answer outside any request, and close."""
        nothing = HttpRequest("GET", "/", {}, {}, self._ip)
        self._wire.write(self._site.writer.response(nothing, reply, keep_alive=False).head)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._ended = True
        self._wire.close(reason)
