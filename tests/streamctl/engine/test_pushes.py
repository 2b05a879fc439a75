"""The pushes of a stream, edited while they run."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.model import PushConfig
from streamctl.engine import causes as cause
from streamctl.engine.push import PushState
from streamctl.errors import ConnectionFailed
from streamctl.sdk.plugin import Empty
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop
from tests.streamctl.engine.test_ingest import settle
from tests.streamctl.engine.test_push import ListSink, SinkPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.engine.push import Push
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor

pytestmark = pytest.mark.anyio


class Options(Empty):
    colour: str = "red"


def config(name: str, path: str = "", **keys: Any) -> PushConfig:
    url = StreamURL.parse(f"sink://h/{path or name}").as_destination()
    return PushConfig(name=name, url=url, **{"options": Options(), **keys})


class SlowLeaver(SinkPlugin):
    """A destination that is left in order, which takes a while."""

    def __init__(self) -> None:
        super().__init__()
        self.leave = anyio.Event()
        self.open = self.most = 0

    def sink(self, url: StreamURL, options: Any, ctx: Context) -> SlowSink:
        return SlowSink(self)


class SlowSink(ListSink):
    """Says goodbye when it is cancelled."""

    def __init__(self, plugin: SlowLeaver) -> None:
        super().__init__(plugin)
        self.counts = plugin

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        self.counts.open += 1
        self.counts.most = max(self.counts.most, self.counts.open)
        try:
            await super().run(cursor, connected=connected)
        finally:
            with anyio.CancelScope(shield=True):
                await self.counts.leave.wait()
            self.counts.open -= 1


class Bench:
    """A stream on air, its pushes, and a clock."""

    def __init__(self, *failures: Exception, plugin: SinkPlugin | None = None) -> None:
        self.plugin = plugin or SinkPlugin(*failures)
        self.rig = Rig(self.plugin)
        self.stream: Stream = self.rig.stream()
        self.publish()

    def publish(self) -> None:
        _, writer, _ = self.rig.publisher(self.stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), self.rig.clock.now())

    def leave(self) -> None:
        publisher = self.stream.publisher
        assert publisher is not None
        self.stream.inputs.leave(publisher, "left")

    def push(self, name: str) -> Push:
        return next(one for one in self.stream.pushes if one.destination.name == name)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            await settle(self.rig, 1)
            self.stream.pushes.tick(self.rig.clock.now())
        await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def running(bench: Bench, *configs: PushConfig) -> AsyncIterator[None]:
    bench.stream.pushes.apply(configs)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.stream.pushes.run)
        await anyio.wait_all_tasks_blocked()
        yield
        tasks.cancel_scope.cancel()


async def test_one_is_added_and_one_removed_without_touching_the_others() -> None:
    bench = Bench()
    async with running(bench, config("a"), config("b")):
        kept, gone = bench.push("a"), bench.push("b")
        bench.stream.pushes.apply([config("a"), config("c")])
        await anyio.wait_all_tasks_blocked()
        assert [push.destination.name for push in bench.stream.pushes] == ["a", "c"]
        assert bench.push("a") is kept
        assert (kept.state, kept.connections) == (PushState.ACTIVE, 1)
        assert gone.sink is None
        assert bench.push("c").state.value == "active"
    assert "push.stopped" in bench.rig.types()


async def test_a_new_name_and_other_retries_leave_the_connection_alone() -> None:
    bench = Bench()
    async with running(bench, config("a", "x")):
        push = bench.push("a")
        bench.stream.pushes.apply([config("b", "x", retry_s=1, retries=7, hold=False)])
        await anyio.wait_all_tasks_blocked()
        assert bench.push("b") is push
        assert push.connections == 1
        assert (push.retry.wait_s, push.retry.retries, push.destination.hold) == (1, 7, False)


async def test_other_options_begin_a_new_connection() -> None:
    bench = Bench()
    async with running(bench, config("a")):
        push = bench.push("a")
        bench.stream.pushes.apply([config("a", options=Options(colour="blue"))])
        await anyio.wait_all_tasks_blocked()
        assert bench.push("a") is not push
        assert bench.push("a").state.value == "active"


@pytest.mark.parametrize("between", ["at once", "removed", "edited twice"])
async def test_a_destination_is_left_before_it_is_connected_to_again(between: str) -> None:
    plugin = SlowLeaver()
    bench = Bench(plugin=plugin)
    async with running(bench, config("a")):
        if between == "removed":
            bench.stream.pushes.apply([])
        elif between == "edited twice":
            bench.stream.pushes.apply([config("a", options=Options(colour="green"))])
            await anyio.wait_all_tasks_blocked()
        bench.stream.pushes.apply([config("a", options=Options(colour="blue"))])
        await anyio.wait_all_tasks_blocked()
        assert bench.push("a").state.value == "waiting"
        plugin.leave.set()
        await anyio.wait_all_tasks_blocked()
        assert bench.push("a").state.value == "active"
        assert plugin.open == plugin.most == 1
        assert not bench.stream.pushes.leaving


async def test_one_that_was_given_up_is_tried_again_after_an_edit() -> None:
    bench = Bench(ConnectionFailed("refused", permanent=True))
    async with running(bench, config("a")):
        push = bench.push("a")
        assert push.state.value == "failed"
        assert bench.stream.causes.active[cause.PUSH_FAILED][0] == "`a`: refused"
        bench.stream.pushes.apply([config("a")])
        await anyio.wait_all_tasks_blocked()
        assert push.state.value == "failed"
        bench.stream.pushes.apply([config("a", retry_s=1)])
        await anyio.wait_all_tasks_blocked()
        assert bench.push("a").state.value == "active"
        assert cause.PUSH_FAILED not in bench.stream.causes


async def test_removing_one_that_fails_takes_its_cause_away() -> None:
    bench = Bench(ConnectionFailed("refused"))
    async with running(bench, config("a")):
        assert cause.PUSH_FAILED in bench.stream.causes
        bench.stream.pushes.apply([])
        assert cause.PUSH_FAILED not in bench.stream.causes


async def test_a_new_run_of_the_input_starts_failed_ones_over() -> None:
    bench = Bench(ConnectionFailed("one", permanent=True), ConnectionFailed("two"))
    async with running(bench, config("a"), config("b", retry_s=3600)):
        assert {push.state for push in bench.stream.pushes} == {
            PushState.FAILED,
            PushState.RECONNECTING,
        }
        bench.leave()
        bench.publish()
        await anyio.wait_all_tasks_blocked()
        assert {push.state for push in bench.stream.pushes} == {PushState.ACTIVE}


async def test_while_the_stream_is_off_air_the_held_wait_and_the_others_are_left() -> None:
    bench = Bench()
    async with running(bench, config("held"), config("left", hold=False)):
        bench.leave()
        await bench.pass_time(1)
        assert bench.push("left").connected_at is not None
        await bench.pass_time(3)
        assert {push.state for push in bench.stream.pushes} == {PushState.WAITING}
        assert bench.push("held").connected_at is not None
        assert bench.push("left").connected_at is None
        bench.publish()
        await anyio.wait_all_tasks_blocked()
        assert {push.state for push in bench.stream.pushes} == {PushState.ACTIVE}
        assert [push.connections for push in bench.stream.pushes] == [1, 2]


async def test_a_publisher_that_comes_right_back_was_not_away() -> None:
    bench = Bench()
    async with running(bench, config("left", hold=False)):
        bench.leave()
        await bench.pass_time(1)
        bench.publish()
        await bench.pass_time(5)
        assert bench.push("left").connections == 1


async def test_a_bug_ends_one_push_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.stream.pushes.apply([config("a"), config("b")])

    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(bench.push("a"), "run", fail)
    async with running(bench, config("a"), config("b")):
        assert bench.push("a").state.value == "failed"
        assert "ZeroDivisionError" in bench.push("a").last_error
        assert bench.push("b").state.value == "active"


async def test_rates_are_measured() -> None:
    bench = Bench()
    async with running(bench, config("a")):
        await bench.pass_time(1)
        assert bench.stream.epoch is not None
        bench.stream.epoch.put(gop(25), bench.rig.clock.now())
        await bench.pass_time(1)
        assert bench.push("a").meter.rates()[0] > 0
