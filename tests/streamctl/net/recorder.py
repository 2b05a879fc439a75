"""A peer that writes down what it is told, and a server on a free port around one."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from streamctl.net.tcp import serve_tcp
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.endpoints import Address, Peer
    from streamctl.sdk.lane import Wire


@dataclass
class RecordingPeer:
    """Implements ``streamctl.sdk.endpoints.Peer``; ``answer`` runs on every read."""

    answer: Callable[[RecordingPeer, bytes], None] | None = None
    data: bytearray = field(default_factory=bytearray)
    calls: list[str] = field(default_factory=list)
    reason: str = ""
    remote: Address = ("", 0)

    def __post_init__(self) -> None:
        self.wire: Wire
        self.up = anyio.Event()
        self.gone = anyio.Event()

    def connected(self, wire: Wire, remote: Address) -> None:
        self.wire = wire
        self.remote = remote
        self.calls.append("connected")
        self.up.set()

    def received(self, data: bytes | memoryview) -> None:
        self.data += data
        if self.answer is not None:
            self.answer(self, bytes(data))

    def paused(self) -> None:
        self.calls.append("paused")

    def resumed(self) -> None:
        self.calls.append("resumed")

    def closed(self, reason: str) -> None:
        self.calls.append("closed")
        self.reason = reason
        self.gone.set()


@asynccontextmanager
async def serving(
    factory: Callable[[], Peer],
    *,
    tls: ServerTls | None = None,
    plain: Callable[[], Peer] | None = None,
) -> AsyncIterator[Address]:
    """A listener on 127.0.0.1 that stops with the context."""
    bound: list[Address] = []
    up = anyio.Event()

    def ready(address: Address) -> None:
        bound.append(address)
        up.set()

    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await serve_tcp(("127.0.0.1", 0), factory, ready=ready, tls=tls, plain=plain)

        tasks.start_soon(run)
        await up.wait()
        yield bound[0]
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(peer: RecordingPeer) -> AsyncIterator[socket.socket]:
    """A plain client socket whose server side is ``peer``."""
    async with serving(lambda: peer) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            await peer.up.wait()
            yield client
