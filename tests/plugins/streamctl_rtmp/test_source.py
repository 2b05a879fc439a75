"""Pulling, from our own server and from bad ones."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl.media.packet import Boundary, Init
from streamctl.net.tcp import serve_tcp
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.options import ClientOptions
from streamctl_rtmp.source import RtmpSource
from tests.plugins.streamctl_rtmp.running import HOST, serving
from tests.plugins.streamctl_rtmp.world import (
    AUDIO,
    VIDEO,
    FakeContext,
    World,
    Writer,
    picture,
    sound,
)
from tests.support.ports import free_port
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

pytestmark = pytest.mark.anyio


def source(port: int, path: str = "live/news") -> RtmpSource:
    context = FakeContext(SteadyClock(), PATIENCE_S)
    url = StreamURL.parse(f"rtmp://{HOST}:{port}/{path}")
    return RtmpSource(url, ClientOptions(), context.as_context)


def begin(world: World) -> None:
    world.append([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test")])
    world.append([picture(0, key=True), sound(0), picture(1)])


class Speaker:
    """A server's side that says fixed bytes and is silent after them."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    def connected(self, wire: Wire, remote: Address) -> None:
        if self.words:
            wire.write(self.words)

    def received(self, data: bytes | memoryview) -> None: ...
    def paused(self) -> None: ...
    def resumed(self) -> None: ...
    def closed(self, reason: str) -> None: ...


@asynccontextmanager
async def speaking(words: bytes) -> AsyncIterator[int]:
    ports: list[int] = []
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_tcp(
                (HOST, 0), lambda: Speaker(words), ready=lambda address: ports.append(address[1])
            )

        tasks.start_soon(serve)
        await until(lambda: ports)
        yield ports[0]
        tasks.cancel_scope.cancel()


async def test_a_stream_is_pulled_into_an_epoch() -> None:
    writer = Writer(World())
    async with serving() as (world, port), anyio.create_task_group() as tasks:
        begin(world)
        tasks.start_soon(source(port).run, writer)
        await until(lambda: len(writer.packets) >= 3)
        world.append([picture(2)])
        await until(lambda: len(writer.packets) == 4)
        tasks.cancel_scope.cancel()
    assert writer.announced[-1] == [VIDEO, AUDIO]
    assert [packet.dts - 90_000 for packet in writer.packets] == [0, 0, 3600, 7200]
    assert world.ended[0][1]


async def test_a_refusal_is_the_error() -> None:
    async with serving() as (_, port):
        with pytest.raises(ConnectionFailed, match="no stream `live/other`"):
            await source(port, "live/other").run(Writer(World()))


async def test_a_stream_that_ends_is_an_error_since_it_may_come_back() -> None:
    async with serving() as (world, port):
        begin(world)

        async def kick() -> None:
            await until(lambda: world.fanout.viewers)
            world.sessions[0].close("gone")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kick)
            with pytest.raises(ConnectionFailed, match="the stream ended at"):
                await source(port).run(Writer(World()))


async def test_an_error_of_the_epoch_ends_the_pull() -> None:
    writer = Writer(World(), stale=True)
    async with serving() as (world, port):
        begin(world)
        with pytest.raises(StreamctlError, match="another publisher"):
            await source(port).run(writer)


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectionFailed):
        await source(free_port()).run(Writer(World()))


async def test_a_silent_server_is_given_up() -> None:
    async with speaking(b"") as port, anyio.create_task_group() as tasks:
        pull = source(port)
        clock = pull.ctx.clock
        assert isinstance(clock, SteadyClock)

        async def wait() -> None:
            await until(lambda: clock.pending)
            clock.advance(PATIENCE_S)

        tasks.start_soon(wait)
        with pytest.raises(ConnectionFailed, match=f"no answer within {PATIENCE_S:g} s"):
            await pull.run(Writer(World()))


async def test_what_is_no_rtmp_server_is_said() -> None:
    async with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(RemoteProtocolError, match="not an RTMP handshake"):
            await source(port).run(Writer(World()))


async def test_a_source_has_no_length() -> None:
    assert source(1).duration_s == 0
