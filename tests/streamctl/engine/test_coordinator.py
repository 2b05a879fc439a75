from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.model import Config, PushConfig
from streamctl.engine import causes as cause
from streamctl.engine.coordinator import RESTART_S, STOP_S, Coordinator
from streamctl.engine.diff import diff
from streamctl.engine.stream import Stream
from streamctl.media.packet import Format
from streamctl.schema import PlanStep
from streamctl.sdk.plugin import Empty
from streamctl.sdk.session import Grant
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop, request, stream_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.config.model import StreamConfig
    from streamctl.engine.services import Services

pytestmark = pytest.mark.anyio


class Lab:
    """A coordinator whose streams write down what is done to them, and fail on demand."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.log: list[str] = []
        self.broken: set[str] = set()
        """``start``, ``run``, ``pushes``, ``update``, ``changed`` or ``close``, behind a code."""
        lab = self

        class Observed(Stream):
            def start(self) -> None:
                lab.note(self.code, "start")
                super().start()
                if f"{self.code}:pushes" in lab.broken:
                    self.pushes.run = breaks  # type: ignore[method-assign]

            async def run(self) -> None:
                lab.note(self.code, "run")
                await super().run()

            def update(self, config: StreamConfig) -> None:
                self.config = config
                lab.note(self.code, f"update {config.title}")

            def close(self, reason: str) -> None:
                super().close(reason)
                lab.note(self.code, "close")

        self.coordinator = Coordinator(
            self.rig.services, changed=lambda code: self.note(code, "changed"), make=Observed
        )

    def note(self, code: str, what: str) -> None:
        self.log.append(f"{code}:{what}")
        if f"{code}:{what.split(maxsplit=1)[0]}" in self.broken:
            raise ZeroDivisionError(f"no {what}")

    def taken(self) -> list[str]:
        """What was done since the last look."""
        done, self.log = [one for one in self.log if not one.endswith("changed")], []
        return done


async def breaks() -> None:
    raise ZeroDivisionError("a bug")


@asynccontextmanager
async def working() -> AsyncIterator[Lab]:
    lab = Lab()
    async with anyio.create_task_group() as tasks:
        lab.coordinator.begin(tasks)
        yield lab
        tasks.cancel_scope.cancel()


async def settled() -> None:
    await anyio.wait_all_tasks_blocked()


def step(code: str, action: Any) -> PlanStep:
    return PlanStep(stream=code, action=action, reason="asked")


async def test_starting_twice_is_starting_once() -> None:
    async with working() as lab:
        config = stream_config("a")
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lab.coordinator.start, config)
        await settled()
        assert lab.taken() == ["a:start", "a:run"]
        assert lab.coordinator.alive("a")


async def test_stopping_twice_is_stopping_once() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a"))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lab.coordinator.stop, "a", "removed")
        assert lab.taken()[-1] == "a:close"
        assert lab.log.count("a:close") == 0
        assert lab.coordinator.running == {}
        assert not lab.coordinator.alive("a")
        await lab.coordinator.stop("never ran", "removed")


@pytest.mark.parametrize("what", ["start", "changed"])
async def test_a_start_that_fails_at_any_step_leaves_nothing(what: str) -> None:
    async with working() as lab:
        lab.broken.add(f"a:{what}")
        with pytest.raises(ZeroDivisionError):
            await lab.coordinator.start(stream_config("a"))
        assert lab.taken() == ["a:start", "a:close"]
        assert lab.coordinator.running == {}
        lab.broken.clear()
        await lab.coordinator.start(stream_config("a"))
        assert lab.coordinator.alive("a")


async def test_nothing_is_started_before_there_is_where_to_run_it() -> None:
    lab = Lab()
    with pytest.raises(RuntimeError):
        await lab.coordinator.start(stream_config("a"))
    assert lab.taken() == []


async def test_a_start_with_another_configuration_starts_anew() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a"))
        await lab.coordinator.start(stream_config("a", title="A"))
        await settled()
        assert lab.taken() == ["a:start", "a:run", "a:close", "a:start", "a:run"]
        assert lab.coordinator.running["a"].config.title == "A"


async def test_a_change_that_fails_is_taken_back() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a", title="old"))
        await settled()
        stream = lab.coordinator.running["a"]
        lab.taken()
        lab.broken.add("a:changed")
        with pytest.raises(ZeroDivisionError):
            await lab.coordinator.update(stream_config("a", title="new"))
        assert lab.taken() == ["a:update new", "a:update old"]
        assert lab.coordinator.running["a"] is stream
        assert stream.config.title == "old"


async def test_a_change_that_can_not_be_taken_back_starts_the_stream_as_it_was() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a", title="old"))
        lab.broken.add("a:update")
        with pytest.raises(ZeroDivisionError, match="no update new"):
            await lab.coordinator.update(stream_config("a", title="new"))
        assert lab.coordinator.alive("a")
        assert lab.coordinator.running["a"].config.title == "old"


async def test_a_change_of_what_does_not_run_starts_it() -> None:
    async with working() as lab:
        await lab.coordinator.update(stream_config("a", title="new"))
        assert lab.coordinator.running["a"].config.title == "new"


async def test_a_restart_that_fails_goes_back() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a", title="old"))
        await settled()
        lab.taken()
        starts: list[str] = []
        made = lab.coordinator._make

        def make(config: StreamConfig, services: Services) -> Stream:
            starts.append(config.title)
            if config.title == "new":
                raise ZeroDivisionError("no such output")
            return made(config, services)

        lab.coordinator._make = make
        with pytest.raises(ZeroDivisionError):
            await lab.coordinator.restart(stream_config("a", title="new"), "changed")
        assert starts == ["new", "old"]
        assert lab.coordinator.alive("a")


@pytest.mark.parametrize(
    ("broken", "change"), [({"a:start"}, "restart"), ({"a:update", "a:start"}, "update")]
)
async def test_why_a_change_failed_is_told_also_when_there_is_no_way_back(
    broken: set[str], change: str
) -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a", title="old"))
        lab.broken |= broken
        wanted = {"a": stream_config("a", title="new")}
        failures = await lab.coordinator.carry_out([step("a", change)], wanted)
        said = "no start" if change == "restart" else "no update new"
        assert failures["a"] == f"could not {change}: ZeroDivisionError: {said}"
        assert not lab.coordinator.running
        lab.broken.clear()
        await lab.coordinator.carry_out([step("a", "start")], wanted)
        assert lab.coordinator.running["a"].config.title == "new"
        assert not lab.coordinator.failures


async def test_a_publisher_of_a_stopped_stream_is_let_go_and_the_next_one_taken() -> None:
    async with working() as lab:
        lab.rig.gate.streams = lab.coordinator.running
        await lab.coordinator.start(stream_config("a"))
        _, _, closed = lab.rig.publisher(lab.coordinator.running["a"])
        await lab.coordinator.stop("a", "stream removed")
        assert closed == ["stream removed"]
        await lab.coordinator.start(stream_config("a"))
        lab.rig.publisher(lab.coordinator.running["a"], port=2)
        assert lab.coordinator.running["a"].publisher is not None


@pytest.mark.parametrize("action", ["stop", "restart", "update"])
async def test_a_cancelled_caller_leaves_nothing_half_done(action: str) -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a", title="old"))
        with anyio.CancelScope() as scope:
            scope.cancel()
            do: dict[str, Callable[[], Any]] = {
                "stop": lambda: lab.coordinator.stop("a", "removed"),
                "restart": lambda: lab.coordinator.restart(stream_config("a", title="n"), "x"),
                "update": lambda: lab.coordinator.update(stream_config("a", title="n")),
            }
            await do[action]()
        found = lab.coordinator.running.get("a")
        assert (found is None) if action == "stop" else (found and found.config.title == "n")


async def test_stopping_waits_for_what_the_tasks_of_a_stream_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamctl.engine.coordinator.STOP_S", 60)
    async with working() as lab:
        held: list[str] = []

        class Holds(Stream):
            async def run(self) -> None:
                held.append("port")
                try:
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(0.01)
                    held.remove("port")

        lab.coordinator._make = Holds
        await lab.coordinator.start(stream_config("a"))
        await settled()
        assert held == ["port"]
        await lab.coordinator.stop("a", "removed")
        assert held == []


async def test_stopping_does_not_wait_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STOP_S < 5
    monkeypatch.setattr("streamctl.engine.coordinator.STOP_S", 0.01)
    async with working() as lab:
        release = anyio.Event()

        class Stuck(Stream):
            async def run(self) -> None:
                with anyio.CancelScope(shield=True):
                    await release.wait()

        lab.coordinator._make = Stuck
        await lab.coordinator.start(stream_config("a"))
        await settled()
        await lab.coordinator.stop("a", "removed")
        assert "take long to end" in caplog.text
        release.set()


async def test_what_closes_badly_is_gone_all_the_same() -> None:
    async with working() as lab:
        await lab.coordinator.start(stream_config("a"))
        lab.broken.add("a:close")
        await lab.coordinator.stop("a", "removed")
        assert lab.coordinator.running == {}


async def test_a_stream_that_is_stopped_before_its_task_ran_never_begins() -> None:
    async with working() as lab:
        begun: list[str] = []

        class Begins(Stream):
            async def run(self) -> None:
                await anyio.lowlevel.checkpoint()
                begun.append(self.code)
                await anyio.sleep_forever()

        lab.coordinator._make = Begins
        await lab.coordinator.start(stream_config("a"))
        await lab.coordinator.stop("a", "removed at once")
        await settled()
        assert begun == []


async def test_an_input_whose_task_fails_is_run_again() -> None:
    async with working() as lab:
        lab.broken.add("a:run")
        await lab.coordinator.start(stream_config("a"))
        await settled()
        lab.broken.clear()
        assert cause.INPUT_FAILED in lab.coordinator.running["a"].causes
        lab.rig.clock.advance(RESTART_S)
        await settled()
        assert lab.taken() == ["a:start", "a:run", "a:run"]


async def test_tasks_that_fail_otherwise_harm_no_other_stream() -> None:
    async with working() as lab:
        lab.broken.add("a:pushes")
        for code in "ab":
            await lab.coordinator.start(stream_config(code))
        await settled()
        assert not lab.coordinator.alive("a")
        assert lab.coordinator.alive("b")
        assert cause.INPUT_FAILED in lab.coordinator.running["a"].causes


async def test_a_plan_is_carried_out_stops_first_and_failures_apart() -> None:
    async with working() as lab:
        for code in "abc":
            await lab.coordinator.start(stream_config(code))
        await settled()
        lab.taken()
        lab.broken |= {"b:update", "e:start"}
        steps = [
            step("a", "stop"),
            step("b", "update"),
            step("c", "restart"),
            step("d", "start"),
            step("e", "start"),
        ]
        configs = {code: stream_config(code, title="new") for code in "bcde"}
        failed = await lab.coordinator.carry_out(steps, configs)
        done = lab.taken()
        assert done[0] == "a:close"
        assert {"b:update new", "c:start", "d:start"} <= set(done)
        assert set(failed) == {"b", "e"}
        assert failed["e"] == "could not start: ZeroDivisionError: no start"
        assert set(lab.coordinator.running) == {"b", "c", "d"}
        lab.broken.clear()
        assert await lab.coordinator.carry_out([step("e", "start")], configs) == {}
        assert set(lab.coordinator.failures) == {"b"}


async def test_a_slow_stream_holds_up_no_other() -> None:
    async with working() as lab:
        release = anyio.Event()

        class Slow(Stream):
            async def run(self) -> None:
                try:
                    await anyio.sleep_forever()
                finally:
                    if self.code == "slow":
                        with anyio.CancelScope(shield=True):
                            await release.wait()

        lab.coordinator._make = Slow
        for code in ("slow", "quick"):
            await lab.coordinator.start(stream_config(code))
        await settled()
        async with anyio.create_task_group() as tasks:
            steps = [step("slow", "stop"), step("quick", "stop")]
            tasks.start_soon(lab.coordinator.carry_out, steps, {})
            await settled()
            assert not lab.coordinator.alive("quick")
            release.set()


async def test_a_storm_of_changes_ends_as_the_last_one_says() -> None:
    async with working() as lab:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                config = stream_config("a", title=str(number))
                tasks.start_soon(lab.coordinator.restart, config, "changed")
                tasks.start_soon(lab.coordinator.stop, "a", "removed")
                tasks.start_soon(lab.coordinator.update, config)
        assert list(lab.coordinator.running) == ["a"]
        assert lab.coordinator.running["a"].config.title == "19"
        done = lab.taken()
        assert done.count("a:start") == done.count("a:close") + 1
        assert lab.coordinator._turns == {}


async def test_all_streams_are_stopped_at_the_end() -> None:
    async with working() as lab:
        for code in "abc":
            await lab.coordinator.start(stream_config(code))
        await lab.coordinator.stop_all("over")
        assert lab.coordinator.running == {}
        with pytest.raises(RuntimeError, match="only while"):
            await lab.coordinator.start(stream_config("late"))


class Scene:
    """A stream on air with a publisher, a viewer, an output and a push."""

    def __init__(self, lab: Lab) -> None:
        self.rig = lab.rig
        self.stream = lab.coordinator.running["a"]
        _, self.writer, self.publisher = self.rig.publisher(self.stream)
        self.writer.tracks([VIDEO, SOUND])
        self.writer.put(gop(0), self.rig.clock.now())
        grant = self.rig.gate.check(request("a"))
        assert isinstance(grant, Grant)
        self.viewer: list[str] = []
        self.rig.gate.play(grant, self.rig.gate.open(grant, self.viewer.append), Format.RTMP)
        self.before = self.parts()

    def parts(self) -> dict[str, object]:
        """Everything that a change could replace or end."""
        stream = self.stream
        return {
            "stream": id(self.rig.gate.streams.get("a")),
            "publisher": list(self.publisher),
            "viewer": list(self.viewer),
            "epoch": stream.epoch and stream.epoch.number,
            "lanes": [id(entry.lane) for entry in stream.graph.entries()],
            "output": id(stream.outputs.get("words")),
            "push": {url: id(task.push) for url, task in stream.pushes.tasks.items()},
            "inputs": [id(one) for one in stream.inputs.order],
        }

    def touched(self) -> set[str]:
        """The parts that are not what they were."""
        now = self.parts()
        return {name for name, part in self.before.items() if now[name] != part}


def push_config(name: str, **keys: Any) -> PushConfig:
    url = StreamURL.parse(f"words://{name}.example/live/key").as_destination()
    return PushConfig(name=name, url=url, options=Empty(), **keys)


PUSH = push_config("one")
HELD: dict[str, Any] = {"push": (PUSH,)}


@pytest.mark.parametrize(
    ("keys", "touched"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"title": "T", "max_viewers": 9, "packet_timeout_s": 9.0}, set(), id="words"),
        pytest.param({"buffer_s": 30.0, "merge_ms": 100}, set(), id="buffers"),
        pytest.param({"standby": "hot", "failback_after_s": 3.0}, set(), id="failover"),
        pytest.param({"read_key": "k"}, {"viewer"}, id="viewers need a key"),
        pytest.param({"publish_key": "k"}, {"publisher"}, id="publishers need a key"),
        pytest.param({"outputs": ("words",)}, set(), id="the output alone"),
        pytest.param({"outputs": ()}, {"output", "viewer"}, id="no output"),
        pytest.param({"push": (push_config("one", retry_s=9.0),)}, set(), id="retries"),
        pytest.param({"push": ()}, {"push"}, id="no push"),
        pytest.param({"push": (PUSH, push_config("two"))}, {"push"}, id="one push more"),
        pytest.param({"disabled": True}, {"stream", "publisher", "viewer", "epoch"}, id="disabled"),
    ],
)
async def test_a_change_reaches_its_own_part_and_no_other(
    keys: dict[str, Any], touched: set[str]
) -> None:
    async with working() as lab:
        lab.coordinator._make = Stream
        lab.rig.gate.streams = lab.coordinator.running
        lab.coordinator._changed = lambda code: (
            lab.rig.gate.review(code) if code in lab.coordinator.running else None
        )
        old = stream_config("a", **HELD)
        await lab.coordinator.start(old)
        scene = Scene(lab)
        new = stream_config("a", **{**HELD, **keys})
        plan = diff(Config(streams={"a": old}), Config(streams={"a": new}))
        assert await lab.coordinator.carry_out(plan.steps, {"a": new}) == {}
        await settled()
        assert scene.touched() == touched
