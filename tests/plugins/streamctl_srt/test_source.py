from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed, StaleEpoch
from streamctl.sdk.url import StreamURL
from streamctl_srt.link import opened
from streamctl_srt.options import InputOptions
from streamctl_srt.runtime import Runtime
from streamctl_srt.settings import Settings
from streamctl_srt.sink import ignore
from streamctl_srt.source import SrtSource
from tests.plugins.streamctl_srt.world import HOST, MESSAGE, World, Writer, chunk, need_libsrt
from tests.support.ports import udp_port
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl_srt.library import Library

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def libsrt() -> None:
    need_libsrt()


def source(world: World, url: str, **options: Any) -> SrtSource:
    keys = InputOptions(**{"connect_timeout_s": PATIENCE_S, **options})
    return SrtSource(StreamURL.parse(url), keys, world.ctx, world.runtime)


async def failure(run: Callable[[], Any]) -> Exception:
    """What a source ends with."""
    with (
        anyio.fail_after(PATIENCE_S),
        pytest.raises((ConnectionFailed, ConfigError, StaleEpoch)) as caught,
    ):
        await run()
    return caught.value


async def test_a_server_is_called_and_its_stream_taken() -> None:
    world = World()
    writer = Writer(world)
    world.append(chunk(0, rap=True), chunk(1))
    async with world.serving(), anyio.create_task_group() as tasks:
        url = f"srt://{HOST}:{world.port}?streamid=read:news&latency=90"
        pull = source(world, url, program=2, pids=(256, 257))
        tasks.start_soon(pull.run, writer)
        expected = chunk(0, rap=True).join + chunk(0).data + chunk(1).data
        await world.until(lambda: len(writer.data) >= len(expected))
        assert writer.data == expected
        assert world.selected == (2, (256, 257))
        assert pull.measure()["latency_ms"] == 120
        tasks.cancel_scope.cancel()
    assert pull.measure() == {}


async def test_a_server_that_refuses_says_why() -> None:
    world = World()
    async with world.serving():
        pull = source(world, f"srt://{HOST}:{world.port}?streamid=read:nowhere")
        error = await failure(lambda: pull.run(Writer(world)))
        assert "no such stream" in str(error)
        assert f"{HOST}:{world.port}" in str(error)


async def test_nobody_there_is_noticed_in_time() -> None:
    world = World()
    pull = source(world, f"srt://{HOST}:{udp_port()}", connect_timeout_s=0.3)
    started = world.ctx.clock.now()
    error = await failure(lambda: pull.run(Writer(world)))
    assert "can't connect to" in str(error)
    assert world.ctx.clock.now() - started < 1.5


async def test_an_upstream_that_leaves_is_an_error() -> None:
    world = World()
    world.append(chunk(0, rap=True))
    writer = Writer(world)
    errors: list[Exception] = []

    async def run(pull: SrtSource) -> None:
        errors.append(await failure(lambda: pull.run(writer)))

    async with world.serving(), anyio.create_task_group() as tasks:
        tasks.start_soon(run, source(world, f"srt://{HOST}:{world.port}?streamid=news"))
        await world.until(lambda: writer.data)
        world.sessions[0].close("bye")
    assert isinstance(errors[0], ConnectionFailed)
    assert "closed the connection" in str(errors[0])


async def test_a_writer_that_was_revoked_ends_the_source() -> None:
    world = World()
    world.append(chunk(0, rap=True))
    async with world.serving():
        pull = source(world, f"srt://{HOST}:{world.port}?streamid=read:news")
        error = await failure(lambda: pull.run(Writer(world, stale=True)))
        assert isinstance(error, StaleEpoch)


async def test_a_wrong_url_is_no_matter_of_the_network() -> None:
    world = World()
    error = await failure(lambda: source(world, "srt://h:1?foo=1").run(Writer(world)))
    assert "`foo`" in str(error)
    error = await failure(lambda: source(world, "srt://nowhere.invalid:1").run(Writer(world)))
    assert "unknown host" in str(error)


async def test_a_port_waits_for_its_caller() -> None:
    world = World()
    writer, port = Writer(world), udp_port()
    waits = source(world, f"srt://:{port}?mode=listener", passphrase="0123456789")
    runtime = Runtime()
    errors: list[Exception] = []

    async def run() -> None:
        errors.append(await failure(lambda: waits.run(writer)))

    async with anyio.create_task_group() as tasks, runtime.running() as engine:
        tasks.start_soon(run)
        await world.until(lambda: waits.waiting)
        assert waits.waiting == f"waiting for a caller on :{port}"
        url = StreamURL.parse(f"srt://{HOST}:{port}")
        with pytest.raises(ConnectionFailed, match="wrong passphrase"):
            async with opened(
                url, Settings(passphrase="9876543210", connect_timeout_s=PATIENCE_S), engine, ignore
            ):
                pass
        settings = Settings(passphrase="0123456789", connect_timeout_s=PATIENCE_S)
        async with opened(url, settings, engine, ignore) as link:
            await world.until(lambda: not waits.waiting)
            with pytest.raises(ConnectionFailed, match="already has a publisher"):
                async with opened(url, settings, engine, ignore):
                    pass
            library: Library = engine.library
            assert library.srt_sendmsg(link.endpoint.number, MESSAGE, 1316, -1, 1) == 1316
            await world.until(lambda: writer.data == MESSAGE)
            assert waits.measure()["encrypted"] is True
    assert "closed the connection" in str(errors[0])


async def test_a_port_may_ask_for_a_stream_id() -> None:
    world = World()
    writer, port = Writer(world), udp_port()
    waits = source(world, f"srt://{HOST}:{port}?mode=listener&streamid=cam1")
    async with anyio.create_task_group() as tasks, world.runtime.running() as engine:
        tasks.start_soon(waits.run, writer)
        await world.until(lambda: waits.waiting)
        url = StreamURL.parse(f"srt://{HOST}:{port}")
        with pytest.raises(ConnectionFailed, match="no such stream"):
            async with opened(
                url, Settings(stream_id="cam2", connect_timeout_s=PATIENCE_S), engine, ignore
            ):
                pass
        async with opened(
            url, Settings(stream_id="cam1", connect_timeout_s=PATIENCE_S), engine, ignore
        ):
            await world.until(lambda: not waits.waiting)
        tasks.cancel_scope.cancel()
