"""An app with a few known pages, and a client end without a network."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import Unsupported
from streamctl.media.packet import Format
from streamctl.net.http import HttpLimits, HttpPeer, Site, serve_http
from streamctl.net.http_chunked import ChunkFramer
from streamctl.net.http_response import ResponseWriter, problem
from streamctl.net.memory_file import MemoryFile, MemoryFiles
from streamctl.sdk.endpoints import Bytes, HttpRequest, Live, Wait
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.endpoints import Address, Reply
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Refusal

SMALL = b"0123456789"
LARGE = bytes(range(256)) * 8000
"""Two megabytes: several pieces, more than a kernel takes at once."""


@dataclass
class Viewer:
    """Implements ``LivePeer``."""

    wire: Wire
    close: Callable[[str], None]
    calls: list[str] = field(default_factory=list)

    def paused(self) -> None:
        self.calls.append("paused")

    def resumed(self) -> None:
        self.calls.append("resumed")

    def closed(self, reason: str) -> None:
        self.calls.append(f"closed: {reason}")


@dataclass
class Pages:
    """Implements ``HttpApp``."""

    requests: list[HttpRequest] = field(default_factory=list)
    viewers: list[Viewer] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)
    full: Refusal | None = None
    more: dict[str, Callable[[], Reply]] = field(default_factory=dict)
    files: MemoryFiles = field(default_factory=lambda: MemoryFiles(FakeClock()))

    def __post_init__(self) -> None:
        self.event = anyio.Event()
        self.asked = anyio.Event()
        self.small = Bytes(SMALL, content_type="text/plain", headers={"ETag": '"v1"'})

    def admit(self, ip: str) -> Refusal | None:
        if self.full is None:
            self.admitted.append(ip)
        return self.full

    def release(self, ip: str) -> None:
        self.admitted.remove(ip)

    def handle(self, request: HttpRequest) -> Reply:
        self.requests.append(request)
        self.asked.set()
        pages: dict[str, Callable[[], Reply]] = {
            "/small": lambda: self.small,
            "/large": lambda: Bytes(LARGE, modified=1_000_000_000.5),
            "/parts": lambda: Bytes([b"abc", b"", b"defg", b"hij"]),
            "/empty": Bytes,
            "/wait": lambda: Wait(self.event, 5, lambda: Bytes(b"ready")),
            "/timeout": lambda: Wait(self.event, 0.01, lambda: Bytes(b"late")),
            "/wait-fails": lambda: Wait(self.event, 5, lambda: Bytes(bytes(1 // 0))),
            "/live": lambda: Live(Format.MPEGTS, "video/mp2t", b"<start>", {"X-A": "b"}),
            "/live-fails": lambda: Live(Format.RTP, "video/mp2t"),
            "/live-refused": lambda: Live(Format.CMAF, "video/mp4"),
            "/fails": lambda: Bytes(bytes(1 // 0)),
            "/splits": lambda: Bytes(headers={"X": "a\r\nb"}),
            "/live-splits": lambda: Live(Format.MPEGTS, "x\r\ny", headers={"X": "a\nb"}),
        }
        page = self.more.get(request.path) or pages.get(request.path)
        return page() if page else problem(404, "no such page")

    def live(
        self, request: HttpRequest, reply: Live, wire: Wire, close: Callable[[str], None]
    ) -> Viewer:
        if reply.fmt is Format.RTP:
            raise ZeroDivisionError
        if reply.fmt is Format.CMAF:
            raise Unsupported("nothing makes this format")
        self.viewers.append(Viewer(wire, close))
        return self.viewers[-1]


class Client:
    """Drives an ``HttpPeer`` as its connection would, and implements its ``FileWire``."""

    def __init__(
        self,
        app: Pages | None = None,
        *,
        cors: tuple[str, ...] = ("*",),
        sends_files: bool = False,
    ) -> None:
        self.app = app or Pages()
        self.clock = FakeClock()
        self.sent = bytearray()
        self.room = 1 << 40
        """Bytes that fit until the wire pauses."""
        self.reason = ""
        self.aborted = False
        self.send_buffers: list[int] = []
        self.least = 1
        self.again = 0
        self.sends_files = sends_files
        self.file = b""
        writer = ResponseWriter(self.clock.wall, cors)
        self.peer = HttpPeer(Site(self.app, self.clock, writer, HttpLimits(), ChunkFramer()))
        self.peer.connected(self, ("192.0.2.7", 40000))

    def write(self, data: bytes | memoryview) -> None:
        assert not self.reason
        self.sent += data
        was = self.room
        self.room -= len(data)
        if self.room < 0 <= was:
            self.peer.paused()

    @property
    def file_left(self) -> int:
        return len(self.file)

    def send_file(self, file: MemoryFile, start: int, size: int) -> None:
        assert not self.file
        self.file = os.pread(file.fd, size, start)
        room, self.room = self.room, self.room - size
        self.sent += self.file[:room]
        self.file = self.file[room:]
        if self.file:
            self.peer.paused()

    def read_file(self, size: int) -> None:
        """Let the client read: the kernel takes ``size`` more bytes of the file."""
        self.sent += self.file[:size]
        self.file = self.file[size:]
        if not self.file:
            self.make_room(1 << 40)

    def make_room(self, size: int) -> None:
        """Let the client read: the wire takes ``size`` more bytes."""
        self.room = size
        self.peer.resumed()

    def unsent(self) -> int:
        return max(-self.room, 0)

    def set_send_buffer(self, size: int) -> None:
        self.send_buffers.append(size)

    def call_again(self) -> None:
        self.again += 1

    def read_least(self, size: int) -> None:
        self.least = size

    def close(self, reason: str) -> None:
        self.reason = self.reason or reason

    def abort(self, reason: str) -> None:
        self.reason = reason
        self.aborted = True

    def ask(self, text: str) -> bytes:
        """Send a request and take what came back."""
        self.peer.received(text.replace("\n", "\r\n").encode())
        return self.take()

    def get(self, path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
        lines = [f"{method} {path} HTTP/{version}", "Host: a", *fields]
        return self.ask("\n".join(lines) + "\n\n")

    def take(self) -> bytes:
        sent = bytes(self.sent)
        self.sent.clear()
        return sent


@dataclass
class Parsed:
    """A response taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse(response: bytes) -> Parsed:
    """Take one response apart; everything behind its head is its body."""
    head, _, body = response.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    protocol, status, _ = start.split(" ", 2)
    assert protocol == "HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Parsed(int(status), headers, body)


@asynccontextmanager
async def serving(
    app: Pages, *, tls: ServerTls | None = None, limits: HttpLimits | None = None
) -> AsyncIterator[Address]:
    """A real server around the app on a free port of 127.0.0.1, until the context ends."""
    bound: list[Address] = []
    up = anyio.Event()

    def ready(address: Address) -> None:
        bound.append(address)
        up.set()

    async def run() -> None:
        await serve_http(("127.0.0.1", 0), app, ready=ready, tls=tls, limits=limits)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await up.wait()
        yield bound[0]
        tasks.cancel_scope.cancel()
