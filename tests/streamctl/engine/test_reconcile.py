from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.config.model import Config
from streamctl.engine.coordinator import Coordinator
from streamctl.engine.diff import diff
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


class Weather:
    """Streams that fail to start, to change, or in the middle of their work, by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.stormy = True
        self.started: list[Stream] = []
        weather = self

        class Exposed(Stream):
            def start(self) -> None:
                super().start()
                weather.started.append(self)
                weather.strike(0.2)
                if weather.stormy and weather.random.random() < 0.2:
                    self.pushes.run = breaks  # type: ignore[method-assign]

            def update(self, config: StreamConfig) -> None:
                super().update(config)
                weather.strike(0.2)

        self.make = Exposed

    def strike(self, chance: float) -> None:
        """Fail, perhaps."""
        if self.stormy and self.random.random() < chance:
            raise ZeroDivisionError("struck")

    def configs(self) -> dict[str, StreamConfig]:
        """Some streams, some of them disabled."""
        return {
            code: stream_config(
                code,
                title=self.random.choice("xyz"),
                disabled=self.random.random() < 0.2,
            )
            for code in "abcd"
            if self.random.random() < 0.7
        }


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_happened_what_runs_is_what_is_configured(seed: int) -> None:
    rig, weather = Rig(), Weather(seed)
    coordinator = Coordinator(rig.services, make=weather.make)
    wanted: dict[str, StreamConfig] = {}
    reconciler = Reconciler(coordinator, lambda: wanted, rig.clock)
    async with anyio.create_task_group() as tasks:
        coordinator.begin(tasks)
        for _ in range(6):
            before, wanted = wanted, weather.configs()
            plan = diff(Config(streams=before), Config(streams=wanted))
            tasks.start_soon(coordinator.carry_out, plan.steps, wanted)
            for code in "abcd":
                if weather.random.random() < 0.2:
                    tasks.start_soon(coordinator.stop, code, "by somebody")
            if weather.random.random() < 0.5:
                await reconciler.look()
            if weather.random.random() < 0.5:
                await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()
        weather.stormy = False
        for _ in range(2):
            await reconciler.look()
            await anyio.wait_all_tasks_blocked()
        enabled = {code: config for code, config in wanted.items() if not config.disabled}
        assert {code: one.config for code, one in coordinator.running.items()} == enabled
        assert all(map(coordinator.alive, enabled))
        assert coordinator.failures == {}
        running = set(map(id, coordinator.running.values()))
        assert {id(one) for one in weather.started if not one.closed} == running
        tasks.cancel_scope.cancel()
