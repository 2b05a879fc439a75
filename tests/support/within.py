"""A real stream that other inputs read, and a writer that keeps what they write."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from streamctl.engine.services import PluginContext
from streamctl.engine.upstreams import Upstreams
from streamctl.errors import StreamctlError
from tests.streamctl.engine.rig import NoWorker, Rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from streamctl.media.packet import Packet, Track
    from streamctl.sdk.endpoints import Source


class Kept:
    """Implements :class:`streamctl.sdk.lane.EpochWriter`."""

    def __init__(self) -> None:
        self.announced: list[list[Track]] = []
        self.packets: list[Packet] = []
        self.data = b""

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced.append(list(tracks))

    def put(self, packets: list[Packet], now: float) -> None:
        self.packets += packets

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        raise AssertionError("there is nothing to select")

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        self.data += bytes(data)

    def drop(self, count: int) -> None:
        raise AssertionError("nothing is dropped")

    def discontinuity(self, reason: str) -> None:
        raise AssertionError("times go on")


class Within:
    """A server's streams, without the server."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.out = Kept()
        self.failure: StreamctlError | None = None
        self.context = PluginContext(
            clock=self.rig.clock,
            log=logging.getLogger("streamctl.test"),
            avworker=NoWorker(),
            handshake_s=1.0,
            media_roots=(),
            streams=Upstreams(self.rig.streams),
        )

    @asynccontextmanager
    async def running(self, source: Source) -> AsyncIterator[None]:
        """Run a source meanwhile."""

        async def run() -> None:
            try:
                await source.run(self.out)
            except StreamctlError as error:
                self.failure = error

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await settled()
            yield
            await settled()
            tasks.cancel_scope.cancel()


async def settled() -> None:
    """Let the tasks do what they can do now."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
