from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl.config.model import CommandConfig
from streamctl.engine import commands
from streamctl.engine.commands import Commands
from streamctl.engine.hookqueue import HookQueue
from streamctl.errors import StreamctlError
from streamctl.schema import Event
from tests.streamctl.engine.hook_world import working
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def event(number: int, kind: str = "x", stream: str = "news", **payload: object) -> Event:
    return Event(id=number, type=kind, stream=stream, time="t", payload=payload)


def made(script: str, **keys: Any) -> Commands:
    table = {"name": "record", "command": ["sh", "-c", script], **keys}
    return Commands(CommandConfig.model_validate(table), HookQueue())


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


async def test_of_many_failures_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    hook = made("exit 1", max_runs=1)
    async with working(hook):
        for number in range(11):
            hook.hear(event(number))
        await until(lambda: hook.failed == 11)
    assert [record.message[-12:] for record in caplog.records] == ["(1 in a row)", "11 in a row)"]


async def test_a_bug_ends_one_run_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("x")

    hook = made("true", max_runs=1)
    async with working(hook):
        with monkeypatch.context() as patch:
            patch.setattr(commands, "run", broken)
            hook.hear(event(1))
            await until(lambda: hook.failed == 1)
            assert hook.error == "x: 'x'"
        hook.hear(event(2))
        await until(lambda: hook.delivered == 1)


async def test_a_program_that_the_system_does_not_start_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(commands, "run", broken)
    hook = made("true")
    async with working(hook):
        hook.hear(event(1))
        await until(lambda: hook.failed == 1)
    assert hook.error == "x: can't be started: resource temporarily unavailable"


async def test_a_test_tells_how_it_went() -> None:
    assert await made("echo fine").test(event(0)) == "exit code 0: fine"
    with pytest.raises(StreamctlError, match="exit code 3"):
        await made("exit 3").test(event(0))
    with pytest.raises(StreamctlError, match=r"took longer than 0.2 s"):
        await made("sleep 300", timeout_s=0.2).test(event(0))
