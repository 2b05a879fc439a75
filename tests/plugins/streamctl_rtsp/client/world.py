"""What the client's tests are made of: a context, an epoch that remembers, and waiting."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio

from streamctl.errors import StaleEpoch, StreamctlError
from streamctl.sdk.url import StreamURL
from streamctl_rtsp.client.options import InputOptions
from streamctl_rtsp.client.source import RtspSource
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from streamctl.media.packet import Packet, Track
    from streamctl.sdk.context import Clock, Context
    from tests.support.rtsp_peers import CameraServer

TURNS = 200
"""Of the loop, in which it reads what endless cameras have sent, and hears that they are gone."""
LOGIN = "admin:s3cret%20pass"
"""That of the camera, as it stands in URLs."""


class FakeContext:
    """A context with a clock and a logger."""

    def __init__(self, clock: Clock, handshake_s: float = PATIENCE_S) -> None:
        self.clock = clock
        self.log = logging.getLogger("streamctl.rtsp")
        self.handshake_s = handshake_s

    @property
    def as_context(self) -> Context:
        """Itself, for parts that use no more of a context than this."""
        return cast("Context", self)


@dataclass
class Writer:
    """An epoch that remembers."""

    announced: list[list[Track]] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    transport: bytearray = field(default_factory=bytearray)
    jumps: list[str] = field(default_factory=list)
    selected: list[tuple[int | None, tuple[int, ...]]] = field(default_factory=list)
    dropped: int = 0
    stale: bool = False

    def tracks(self, tracks: Sequence[Track]) -> None:
        self._check()
        self.announced.append(list(tracks))

    def put(self, packets: list[Packet], now: float) -> None:
        del now
        self._check()
        self.packets += packets

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        del now
        self._check()
        self.transport += data

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.selected.append((program, tuple(pids)))

    def drop(self, count: int) -> None:
        self.dropped += count

    def discontinuity(self, reason: str) -> None:
        self.jumps.append(reason)

    def _check(self) -> None:
        if self.stale:
            raise StaleEpoch("another source has taken over")

    def of(self, track: int) -> list[Packet]:
        """The packets of a track."""
        return [packet for packet in self.packets if packet.track == track]


def source_of(url: str, **keys: object) -> RtspSource:
    """A source that pulls a URL."""
    context = FakeContext(SteadyClock())
    options = InputOptions.model_validate(keys)
    return RtspSource(StreamURL.parse(url), options, context.as_context)


class Pull:
    """A source at work."""

    def __init__(self, source: RtspSource) -> None:
        assert isinstance(source.ctx.clock, SteadyClock)
        self.clock = source.ctx.clock
        self.source = source
        self.out = Writer()
        self.error: StreamctlError | None = None

    async def run(self) -> None:
        """Run until the end, whatever that is."""
        try:
            await self.source.run(self.out)
        except StreamctlError as error:
            self.error = error

    async def pictures(self, count: int) -> None:
        """Return when so many pictures have come, or none will come any more."""
        await until(lambda: len(self.out.of(0)) >= count or self.error)
        if self.error is not None:
            raise self.error


async def gone(camera: CameraServer) -> None:
    """Return when the camera has seen all connections go."""
    await until(lambda: not camera.open)
    for _ in range(TURNS):
        await anyio.sleep(0)


@asynccontextmanager
async def pulling(camera: CameraServer, login: str = "", **keys: object) -> AsyncIterator[Pull]:
    """Pull from a camera for as long as the context lasts."""
    pull = Pull(source_of(camera.url(login=login), **keys))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull.run)
        yield pull
        tasks.cancel_scope.cancel()
    await gone(camera)


async def failure(camera: CameraServer, login: str = "", **keys: object) -> StreamctlError:
    """How a pull from a camera ends."""
    async with pulling(camera, login, **keys) as pull:
        await until(lambda: pull.error)
        assert pull.error is not None
        return pull.error
