from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.model import CommandConfig
from streamctl.engine import commands
from streamctl.engine.commands import Commands, wanted
from streamctl.engine.hookqueue import HookQueue
from streamctl.errors import StreamctlError
from streamctl.schema import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


def event(number: int, kind: str = "x", stream: str = "news", **payload: object) -> Event:
    return Event(id=number, type=kind, stream=stream, time="t", payload=payload)


def opened(number: int, session: str, action: str = "publish") -> Event:
    return event(number, "session.opened", session=session, action=action)


def closed(number: int, session: str, action: str = "publish") -> Event:
    return event(number, "session.closed", session=session, action=action)


def made(script: str, **keys: Any) -> Commands:
    table = {"name": "record", "command": ["sh", "-c", script], **keys}
    return Commands(CommandConfig.model_validate(table), HookQueue())


@asynccontextmanager
async def working(hook: Commands) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hook.run)
        yield
        tasks.cancel_scope.cancel()
    assert hook.running == 0


async def until(done: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not done():
            await anyio.sleep(0.01)


async def test_a_command_is_run_for_each_event_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    hook = made(f"echo $STREAMCTL_EVENT_ID >> {path}", max_runs=1)
    async with working(hook):
        for number in (1, 2, 3):
            hook.hear(event(number))
        await until(lambda: hook.delivered == 3)
    assert path.read_text() == "1\n2\n3\n"


async def test_failures_are_counted_and_explained() -> None:
    hook = made("test $STREAMCTL_EVENT_ID = 2 || { echo no good; exit 4; }", max_runs=1)
    async with working(hook):
        hook.hear(event(1))
        await until(lambda: hook.failed == 1)
        assert hook.error == "x: exit code 4: no good"
        hook.hear(event(2))
        await until(lambda: hook.delivered == 1)
        assert hook.error == ""


async def test_only_so_many_run_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    hook = made(f"while ! test -e {gate}; do sleep 0.02; done", max_runs=2)
    async with working(hook):
        for number in range(5):
            hook.hear(event(number))
        await until(lambda: hook.running == 2)
        assert len(hook.queue) == 3
        gate.touch()
        await until(lambda: hook.delivered == 5)


async def test_one_that_takes_too_long_is_ended() -> None:
    hook = made("sleep 300", timeout_s=0.2)
    async with working(hook):
        hook.hear(event(1))
        await until(lambda: hook.failed == 1)
        assert hook.error == "x: took longer than 0.2 s"
        assert hook.running == 0


async def test_a_program_runs_from_the_begin_of_a_session_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    script = f"trap 'echo end >> {path}; exit' TERM; echo begin >> {path}; sleep 300 & wait"
    hook = made(script, during="publish")
    async with working(hook):
        hook.hear(opened(1, "p", "play"))
        hook.hear(opened(2, "a"))
        await until(path.exists)
        assert hook.running == 1
        hook.hear(closed(3, "p", "play"))
        hook.hear(closed(4, "b"))
        assert hook.running == 1
        hook.hear(closed(5, "a"))
        await until(lambda: hook.running == 0)
        assert path.read_text() == "begin\nend\n"
        assert (hook.delivered, hook.failed) == (1, 0)


async def test_what_is_over_before_it_could_begin_is_not_run() -> None:
    hook = made("exit 1", during="publish")
    hook.hear(opened(1, "a"))
    hook.hear(closed(2, "a"))
    assert len(hook.queue) == 0


async def test_a_stream_on_air_is_told_apart_from_others() -> None:
    hook = made("sleep 300", during="on_air")
    async with working(hook):
        hook.hear(event(1, "stream.on_air", "a"))
        hook.hear(event(2, "stream.on_air", "b"))
        await until(lambda: hook.running == 2)
        hook.hear(event(3, "stream.off_air", "a"))
        await until(lambda: hook.running == 1)


@pytest.mark.parametrize(
    ("during", "names"),
    [
        ("publish", {"session.opened", "session.closed"}),
        ("play", {"session.opened", "session.closed"}),
        ("on_air", {"stream.on_air", "stream.off_air"}),
    ],
)
def test_what_it_runs_during_chooses_the_events(during: str, names: set[str]) -> None:
    chosen = wanted(during)
    assert {name for name in (*names, "stream.started", "x") if chosen(name)} == names


async def test_a_test_tells_how_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await made("echo fine").test(event(0)) == "exit code 0: fine"
    with pytest.raises(StreamctlError, match="exit code 3"):
        await made("exit 3").test(event(0))
    with pytest.raises(StreamctlError, match=r"took longer than 0.2 s"):
        await made("sleep 300", timeout_s=0.2).test(event(0))
    monkeypatch.setattr(commands, "TEST_S", 0.2)
    assert await made("sleep 300", during="play").test(event(0)) == "ran for 0.2 s and was ended"
