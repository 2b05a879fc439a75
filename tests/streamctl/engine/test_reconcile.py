from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.coordinator import Coordinator
from streamctl.engine.reconcile import RECONCILE_S, Reconciler, repairs
from streamctl.engine.stream import Stream
from tests.streamctl.engine.rig import Rig, stream_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.config.model import StreamConfig
    from streamctl.engine.services import Services

pytestmark = pytest.mark.anyio


async def breaks() -> None:
    raise ZeroDivisionError("a bug")


class World:
    """A coordinator with its reconciler, and what is wanted of them."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.wanted: dict[str, StreamConfig] = {}
        self.broken: set[str] = set()
        """Can't be started."""
        self.mortal: set[str] = set()
        """Die as soon as they run."""
        self.coordinator = Coordinator(self.rig.services, make=self.make)
        self.reconciler = Reconciler(self.coordinator, lambda: self.wanted, self.rig.clock)

    def make(self, config: StreamConfig, services: Services) -> Stream:
        if config.code in self.broken:
            raise ZeroDivisionError("no such disk")
        stream = Stream(config, services)
        if config.code in self.mortal:
            stream.pushes.run = breaks  # type: ignore[method-assign]
        return stream

    async def later(self) -> None:
        """The next time that the reconciler looks."""
        await anyio.wait_all_tasks_blocked()
        self.rig.clock.advance(RECONCILE_S)
        await anyio.wait_all_tasks_blocked()

    def planned(self) -> list[tuple[str, str]]:
        return [(one.stream, one.action) for one in repairs(self.wanted, self.coordinator)]


@asynccontextmanager
async def reconciled() -> AsyncIterator[World]:
    world = World()
    async with anyio.create_task_group() as tasks:
        world.coordinator.begin(tasks)
        tasks.start_soon(world.reconciler.run)
        yield world
        tasks.cancel_scope.cancel()


async def test_what_is_configured_runs_and_nothing_else() -> None:
    async with reconciled() as world:
        world.wanted = {
            "a": stream_config("a"),
            "off": stream_config("off", disabled=True),
            "idle": stream_config("idle").model_copy(update={"inputs": ()}),
        }
        await world.reconciler.look()
        assert list(world.coordinator.running) == ["a"]
        first = world.coordinator.running["a"]
        await world.later()
        assert world.coordinator.running["a"] is first
        await world.coordinator.start(world.wanted["off"])
        await world.coordinator.start(stream_config("stray"))
        assert world.planned() == [("off", "stop"), ("stray", "stop")]
        await world.later()
        assert list(world.coordinator.running) == ["a"]


async def test_a_start_that_failed_is_tried_until_it_succeeds() -> None:
    async with reconciled() as world:
        world.wanted = {"a": stream_config("a")}
        world.broken = {"a"}
        for _ in range(3):
            await world.later()
            assert "no such disk" in world.coordinator.failures["a"]
        world.broken = set()
        await world.later()
        assert world.coordinator.alive("a")
        assert world.coordinator.failures == {}


async def test_a_stream_whose_tasks_died_or_that_was_stopped_is_started_again() -> None:
    async with reconciled() as world:
        world.wanted = {code: stream_config(code) for code in "ab"}
        world.mortal = {"a"}
        await world.reconciler.look()
        world.mortal = set()
        dead = world.coordinator.running["a"]
        await world.coordinator.stop("b", "behind the configuration's back")
        await anyio.wait_all_tasks_blocked()
        assert world.planned() == [("a", "restart"), ("b", "start")]
        await world.later()
        assert all(world.coordinator.alive(code) for code in "ab")
        assert dead.closed


async def test_a_change_under_way_is_not_repaired() -> None:
    async with reconciled() as world:
        world.wanted = {"a": stream_config("a")}
        async with world.reconciler.turn:
            await world.later()
            assert world.coordinator.running == {}
        await anyio.wait_all_tasks_blocked()
        assert list(world.coordinator.running) == ["a"]


async def test_a_change_that_failed_is_tried_again() -> None:
    async with reconciled() as world:
        world.wanted = {"a": stream_config("a", title="old")}
        await world.reconciler.look()
        stream = world.coordinator.running["a"]
        world.wanted = {"a": stream_config("a", title="new")}
        assert world.planned() == [("a", "update")]
        await world.later()
        assert world.coordinator.running["a"] is stream
        assert stream.config.title == "new"
        assert world.planned() == []
