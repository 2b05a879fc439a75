from __future__ import annotations

import gc
import json
import time
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.load import parse
from streamctl.engine.events import EventLog
from streamctl.engine.hooks import Hooks
from streamctl.errors import NotFound
from streamctl.net.clock import LoopClock
from streamctl.registry import Registry
from streamctl.testing.clock import FakeClock
from tests.support.waiting import until
from tests.support.webhooks import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from streamctl.config.model import Config
    from streamctl.sdk.context import Clock

pytestmark = pytest.mark.anyio

REGISTRY = Registry()


def config(text: str) -> Config:
    return parse(text, "x.toml", REGISTRY, {})


def webhook(receiver: Receiver, more: str = "") -> str:
    return f'[[hooks]]\nname = "alarm"\nurl = "{receiver.url()}"\n{more}\n'


class World:
    def __init__(self, text: str = "", clock: Clock | None = None) -> None:
        self.log = EventLog(clock or LoopClock())
        self.hooks = Hooks(self.log)
        self.apply(text)

    def apply(self, text: str) -> None:
        self.hooks.apply(config(text).hooks)

    def status(self, name: str = "alarm") -> Any:
        return next(one for one in self.hooks.status() if one.name == name)


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        world.hooks.begin(tasks)
        yield
        tasks.cancel_scope.cancel()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


async def test_each_hook_chooses_what_it_is_told(tmp_path: Path) -> None:
    tables = {
        "all": "",
        "inputs": 'events = ["input.*"]',
        "some": 'streams = ["news", "region/*"]',
        "every": 'streams = ["*"]',
        "none": 'except_streams = ["*"]',
        "others": 'except_streams = ["region/*"]',
        "players": 'events = ["session.opened"]\nwhere = { action = "play" }',
    }
    world = World(
        "".join(
            f'[[hooks]]\nname = "{name}"\nfile = "{tmp_path}/{name}"\n{more}\n'
            for name, more in tables.items()
        )
    )
    async with working(world):
        world.log.emit("input.failed", "news")
        world.log.emit("session.opened", "region/a", action="play")
        world.log.emit("session.opened", "sport", action="publish")
        world.log.emit("config.changed")
        await world.hooks.drain(5)
    ids = {
        name: [
            json.loads(line)["id"] - world.log.before_first
            for line in path.read_text().splitlines()
        ]
        for name in tables
        if (path := tmp_path / name).exists()
    }
    assert ids == {
        "all": [1, 2, 3, 4],
        "inputs": [1],
        "some": [1, 2],
        "every": [1, 2, 3],
        "none": [4],
        "others": [1, 3, 4],
        "players": [2],
    }


async def test_what_happened_before_they_ran_is_told_too(receiver: Receiver) -> None:
    world = World(webhook(receiver))
    world.log.emit("stream.started", "news")
    async with working(world):
        await until(lambda: len(receiver.calls) == 1)
    assert receiver.told[0]["type"] == "stream.started"


async def test_a_change_of_others_leaves_a_hook_as_it_is(receiver: Receiver) -> None:
    world = World(webhook(receiver))
    hook = world.hooks.by_name["alarm"]
    world.apply(webhook(receiver) + '[[hooks]]\nname = "b"\nfile = "/dev/null"\n')
    assert world.hooks.by_name["alarm"] is hook
    world.apply(webhook(receiver))
    assert world.hooks.by_name == {"alarm": hook}


async def test_a_hook_that_changes_keeps_what_waits_and_what_was_counted(
    receiver: Receiver,
) -> None:
    receiver.answers = [-1]
    world = World(webhook(receiver))
    async with working(world):
        world.log.emit("stream.started", "news")
        await until(lambda: len(receiver.calls) == 1)
        world.log.emit("stream.stopped", "news")
        world.apply(webhook(receiver, "timeout_s = 5"))
        await until(lambda: world.status().delivered == 2)
        assert [one["type"] for one in receiver.calls[-1].events] == [
            "stream.started",
            "stream.stopped",
        ]
        world.apply(webhook(receiver, "timeout_s = 6"))
        assert world.status().delivered == 2


SCRIPT = "echo $STREAMCTL_STREAM >> {0}; sleep 300"


def lasting(log: Path, more: str = "") -> str:
    script = SCRIPT.format(log)
    return (
        f'[[hooks]]\nname = "alarm"\ncommand = ["sh", "-c", "{script}"]\nduring = "on_air"\n{more}'
    )


def said(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


async def test_a_hook_that_is_added_or_changed_begins_with_what_lasts(tmp_path: Path) -> None:
    world, log = World(), tmp_path / "log"
    async with working(world):
        world.log.emit("stream.on_air", "news")
        world.log.emit("stream.on_air", "sport")
        world.log.emit("stream.off_air", "sport")
        world.apply(lasting(log))
        await until(lambda: said(log) == ["news"])
        world.log.emit("stream.on_air", "sport")
        await until(lambda: said(log) == ["news", "sport"])
        world.apply(lasting(log, 'environment = { A = "1" }\nstreams = ["news"]'))
        await until(lambda: said(log) == ["news", "sport", "news"])
        world.log.emit("stream.off_air", "news")
        await until(lambda: not world.status().running)
        assert world.status().delivered == 1


async def test_however_often_a_hook_changes_the_first_one_ends_before_the_last_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamctl.engine.program.GRACE_S", 0.3)
    world, log = World(), tmp_path / "log"
    stubborn = "trap '' TERM; echo $$ >> {0}; while sleep 1; do :; done"
    hook = lasting(log).replace(SCRIPT.format(log), stubborn.format(log))
    async with working(world):
        world.log.emit("stream.on_air", "news")
        world.apply(hook)
        await until(lambda: len(said(log)) == 1)
        for number in range(5):
            world.apply(f"{hook}max_runs = {number + 1}\n")
            await anyio.lowlevel.checkpoint()
        await until(lambda: len(said(log)) == 2)
        assert not Path(f"/proc/{said(log)[0]}").exists()


async def test_a_hook_that_is_removed_is_told_nothing_more(receiver: Receiver) -> None:
    world = World(webhook(receiver))
    async with working(world):
        world.apply("")
        world.log.emit("stream.started", "news")
        await anyio.wait_all_tasks_blocked()
    assert receiver.calls == []
    assert world.hooks.status() == []


async def test_hooks_of_a_stream_finish_when_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    text = f"""
    [streams.news]
    inputs = ["publish:"]
    on_unpublish = ["sh", "-c", "sleep 0.1; echo $STREAMCTL_SESSION $STREAMCTL_STREAM >> {path}"]
    """
    world = World()
    stream = config(text).streams["news"]
    async with working(world):
        world.hooks.adopt("news", stream)
        assert world.status("news.on_unpublish").target == "sh"
        world.log.emit("session.closed", "other", action="publish", session="s1")
        world.log.emit("session.closed", "news", action="play", session="s2")
        world.log.emit("session.closed", "news", action="publish", session="s3")
        world.hooks.adopt("news", None)
        assert world.hooks.status() == []
        await world.hooks.drain(10)
    assert path.read_text() == "s3 news\n"


async def test_streams_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    text = f"""
    [streams.plain]
    inputs = ["publish:"]
    [streams.hooked]
    inputs = ["publish:"]
    on_publish = ["true"]
    on_play_end = ["sh", "-c", "echo $STREAMCTL_SESSION >> {tmp_path / "log"}"]
    """
    world = World()
    plain, hooked = (config(text).streams[code] for code in ("plain", "hooked"))
    async with working(world):
        for number in range(20):
            world.hooks.adopt(f"plain/{number}", plain)
            world.hooks.adopt(f"plain/{number}", None)
        for number in range(3):
            world.hooks.adopt(f"hooked/{number}", hooked)
            world.log.emit("session.opened", f"hooked/{number}", action="play", session="s")
            world.log.emit("session.closed", f"hooked/{number}", action="play", session="s")
            world.hooks.adopt(f"hooked/{number}", None)
        await world.hooks.drain(10)
        kept = [held for held in vars(world.hooks).values() if isinstance(held, dict | set)]
        await until(lambda: not any(any(code for code in held) for held in kept))


async def test_viewers_who_leave_after_their_stream_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "log"
    text = f"""
    [streams.news]
    inputs = ["publish:"]
    on_play_end = ["sh", "-c", "echo $STREAMCTL_SESSION >> {path}"]
    """
    world = World()
    stream = config(text).streams["news"]
    async with working(world):
        world.hooks.adopt("news", stream)
        for session in ("s1", "s2", "s3"):
            world.log.emit("session.opened", "news", action="play", session=session)
        world.log.emit("session.closed", "news", action="play", session="s1")
        await until(lambda: said(path) == ["s1"])
        world.hooks.adopt("news", None)
        await anyio.wait_all_tasks_blocked()
        world.log.emit("session.closed", "news", action="play", session="s2")
        await until(lambda: said(path) == ["s1", "s2"])
        world.hooks.adopt("news", stream)
        world.log.emit("session.closed", "news", action="play", session="s3")
        await until(lambda: said(path) == ["s1", "s2", "s3"])
        world.hooks.adopt("news", None)
        await world.hooks.drain(10)
    assert said(path) == ["s1", "s2", "s3"]


async def test_a_test_is_delivered_to_one_alone(receiver: Receiver) -> None:
    world = World(webhook(receiver, 'secret = "s1gn"\nevents = ["input.*"]'))
    seen: list[str] = []
    world.log.listen(lambda event: seen.append(event.type))
    async with working(world):
        found = await world.hooks.test("alarm")
        assert (found.ok, found.detail) == (True, "answered 204")
        receiver.answers = [503]
        found = await world.hooks.test("alarm")
        assert not found.ok
        assert "answers 503" in found.detail
        with pytest.raises(NotFound, match="no hook `x`"):
            await world.hooks.test("x")
    assert receiver.told[0]["type"] == "hook.test"
    assert receiver.told[0]["payload"] == {"hook": "alarm"}
    assert receiver.calls[0].signed_with("s1gn")
    assert seen == []


async def test_the_state_of_a_hook_is_told_without_its_secrets(receiver: Receiver) -> None:
    receiver.answers = [500]
    text = webhook(receiver, 'secret = "s3cr3t"').replace("/hook", "/s3cr3t")
    world = World(text)
    assert world.status().state == "idle"
    async with working(world):
        world.log.emit("stream.started", "news")
        await until(lambda: world.status().state == "failing")
        status = world.status()
        assert (status.kind, status.failed, status.queue) == ("url", 1, 1)
        assert "answers 500" in status.error
        assert "s3cr3t" not in str(status)
        [counters] = world.hooks.counters()
        assert (counters.name, counters.failed, counters.queue) == ("alarm", 1, 1)


async def test_a_shutdown_waits_for_those_who_answer_and_for_no_others(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [-1]
    text = webhook(receiver) + f'[[hooks]]\nname = "b"\nfile = "{tmp_path}/b"\n'
    clock, drained = FakeClock(), anyio.Event()
    world = World(text, clock)

    async def drain() -> None:
        await world.hooks.drain(10)
        drained.set()

    async with working(world), anyio.create_task_group() as tasks:
        world.log.emit("server.stopping")
        tasks.start_soon(drain)
        await until(lambda: receiver.calls and world.status("b").delivered == 1)
        clock.advance(9)
        await anyio.wait_all_tasks_blocked()
        assert not drained.is_set()
        clock.advance(1)
        await until(drained.is_set)
    assert len((tmp_path / "b").read_text().splitlines()) == 1


async def test_a_shutdown_waits_for_nothing_to_be_gathered(receiver: Receiver) -> None:
    world = World(webhook(receiver, "batch_s = 600"))
    async with working(world):
        world.log.emit("session.closed", "news")
        world.log.emit("server.stopping")
        await world.hooks.drain(10)
    assert [one["type"] for one in receiver.told] == ["session.closed", "server.stopping"]


@pytest.fixture
def frozen() -> Iterator[None]:
    """The garbage of the tests is no matter of the loop; servers freeze their heap, too."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def longest_turn(turns: list[float], tick_s: float) -> None:
    """Note how long the loop works between two looks at it; others on this machine don't count."""
    before = time.thread_time()
    while True:
        await anyio.sleep(tick_s)
        now = time.thread_time()
        turns.append(now - before)
        before = now


@pytest.mark.usefixtures("frozen")
async def test_ten_thousand_events_a_second_delay_nobody(tmp_path: Path) -> None:
    """With servers that never answer, refuse for ever, and close; and a file that takes all."""
    tables, servers = f'[[hooks]]\nname = "file"\nfile = "{tmp_path}/log"\n', []
    turns: list[float] = []
    with ExitStack() as stack:
        for name, answer in (("mute", -1), ("sick", 500), ("rude", 0), ("good", 204)):
            server = stack.enter_context(receiving())
            server.answers = [answer] * 100_000 if name != "good" else []
            servers.append(server)
            tables += webhook(server, "timeout_s = 0.5").replace("alarm", name)
        world = World(tables)
        async with working(world), anyio.create_task_group() as tasks:
            await world.hooks.test("good")
            tasks.start_soon(longest_turn, turns, 0.005)
            for _ in range(200):
                for number in range(100):
                    world.log.emit("session.opened", "news", session=f"{number}", action="play")
                await anyio.sleep(0.01)
            await until(lambda: world.status("file").delivered == 20_000, 30)
            tasks.cancel_scope.cancel()
    assert max(turns) < 0.05
    for name in ("mute", "sick", "rude"):
        found = world.status(name)
        assert found.delivered == 0
        assert found.dropped + found.queue == 20_000
    good = [one["id"] for one in servers[-1].told[1:]]
    assert good == sorted(good)
    assert world.status("good").delivered + world.status("good").dropped >= 10_000
