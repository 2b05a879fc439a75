from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import StreamctlError
from streamctl_srt import reader
from streamctl_srt.binding import bind
from streamctl_srt.constants import State
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.link import Link
from streamctl_srt.reject import GONE
from streamctl_srt.settings import Settings
from tests.plugins.streamctl_srt.world import HOST, MESSAGE, World, need_libsrt
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from streamctl_srt.reader import Watched

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def libsrt() -> None:
    need_libsrt()


async def test_a_writer_with_a_bug_ends_its_own_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.append()
    async with world.serving(), world.caller("read:news") as viewer:
        async with world.caller("publish:news") as caller:
            await world.until(lambda: world.writer)
            assert world.writer is not None
            world.writer.put_ts = broken  # type: ignore[method-assign,assignment]
            for _ in range(20):
                caller.send(MESSAGE)
            await world.until(lambda: caller.over)
        assert world.ended[0][1] == "ZeroDivisionError: a bug"
        assert not viewer.over
    assert [record.message for record in caplog.records if record.exc_info] == [
        f"what {HOST}:{world.sessions[1].port} sends can't be taken"
    ]


async def test_a_gate_with_a_bug_ends_the_connection_that_asked(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    async with world.serving(), world.caller("news") as caller:
        monkeypatch.setattr(world, "check", lambda request: broken(b"", 0.0))
        for _ in range(20):
            caller.send(MESSAGE)
        await world.until(lambda: caller.over)
    assert sum(record.exc_info is not None for record in caplog.records) == 1
    assert (world.sessions, world.admitted) == ([], 0)


def broken(data: bytes, now: float) -> None:
    raise ZeroDivisionError("a bug")


async def test_a_taker_with_a_bug_ends_its_own_connection_only() -> None:
    world = World()
    async with world.serving(), world.caller("read:news") as caller:
        caller.link._take = lambda data: broken(data, 0.0)
        caller.link.received(b"x")
        assert caller.over
        assert isinstance(caller.link.failure, StreamctlError)
        assert str(caller.link.failure) == "ZeroDivisionError: a bug"


async def test_a_socket_that_can_not_be_read_harms_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    async with world.serving(), world.caller("publish:news") as caller:
        await world.until(lambda: world.writer)
        async with world.caller("read:news") as viewer:
            await world.until(lambda: len(world.sessions) == 2)
            reader = viewer.link.endpoint
            look = world.runtime._engine.reader._drain  # type: ignore[union-attr]

            def drain(endpoint: Endpoint, owner: object, calls: list[object]) -> None:
                if endpoint is reader:
                    raise ZeroDivisionError("a bug")
                look(endpoint, owner, calls)  # type: ignore[arg-type]

            monkeypatch.setattr(world.runtime._engine.reader, "_drain", drain)  # type: ignore[union-attr]
            world.sessions[1].close("to have it looked at")
            await world.until(lambda: viewer.over)
            assert "an error of ours" in str(viewer.link.failure)
            caller.send(MESSAGE)
            await world.until(lambda: world.writer and world.writer.data == MESSAGE)


async def test_a_connection_that_is_over_before_it_is_looked_at_was_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = threading.Event()
    monkeypatch.setattr(reader, "time", SimpleNamespace(sleep=lambda _: look.wait(PATIENCE_S)))
    world = World()
    async with world.runtime.running() as engine:
        host, caller = Endpoint(engine.library), Endpoint(engine.library)
        Settings().apply(host)
        Settings(connect_timeout_s=PATIENCE_S).apply(caller)
        bind(host, (HOST, 0))
        link = Link(caller, lambda data: None)
        engine.reader.connect(caller, link)
        caller.connect(host.address())
        accepted: list[Endpoint] = []
        await world.until(lambda: accepting(host, accepted))
        accepted[0].close()
        await world.until(lambda: caller.state() is State.BROKEN)
        look.set()
        await world.until(link.over.is_set)
        engine.reader.close(host)
        engine.reader.close(caller)
    assert str(link.failure) == GONE


def accepting(host: Endpoint, accepted: list[Endpoint]) -> list[Endpoint]:
    """Take the next caller, if there is one."""
    if (peer := host.accept()) is not None:
        accepted.append(peer[0])
    return accepted


async def test_sockets_that_nobody_watches_are_left_alone() -> None:
    world = World()
    async with world.serving(), world.caller("read:news") as caller:
        await world.until(lambda: world.sessions)
        reader = world.runtime._engine.reader  # type: ignore[union-attr]
        watched: dict[int, Watched] = reader._watched
        del watched[caller.link.endpoint.number]
        world.sessions[0].close("to wake it")
        await world.until(lambda: world.ended)
        assert reader.alive
