from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.model import CommandConfig
from streamctl.engine import lasting
from streamctl.engine.courier import PAUSES_S
from streamctl.engine.hookqueue import HookQueue
from streamctl.engine.lasting import STEADY_S, Begun, Lasting
from streamctl.engine.program import Ended
from streamctl.errors import StreamctlError
from streamctl.net.clock import LoopClock
from streamctl.schema import Event
from streamctl.testing.clock import FakeClock
from tests.streamctl.engine.hook_world import working
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def event(number: int, kind: str = "x", stream: str = "news", **payload: object) -> Event:
    return Event(id=number, type=kind, stream=stream, time="t", payload=payload)


def opened(number: int, session: str, action: str = "publish") -> Event:
    return event(number, "session.opened", session=session, action=action)


def closed(number: int, session: str, action: str = "publish") -> Event:
    return event(number, "session.closed", session=session, action=action)


def made(script: str, during: str, clock: Any = None, **keys: Any) -> Lasting:
    table = {"name": "x", "command": ["sh", "-c", script], "during": during, **keys}
    return Lasting(CommandConfig.model_validate(table), HookQueue(), clock or LoopClock())


class Programs:
    """Runs that end when a test says so, in the place of real ones."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.over: dict[int, anyio.Event] = {}
        self.ending = anyio.Event()
        """Set when programs may end that are told to."""
        self.ending.set()

    async def run(self, command: object, event: Event, further: object) -> Ended:
        del command, further
        self.begun.append(event.id)
        self.over[event.id] = anyio.Event()
        try:
            await self.over[event.id].wait()
        finally:
            with anyio.CancelScope(shield=True):
                await self.ending.wait()
        return Ended(1, "lost")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs()
    monkeypatch.setattr(lasting, "run", found.run)
    return found


async def test_a_program_runs_from_the_begin_of_a_session_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    script = f"trap 'echo end >> {path}; exit' TERM; echo begin >> {path}; sleep 300 & wait"
    hook = made(script, "publish")
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
    hook = made("exit 1", "publish")
    hook.hear(opened(1, "a"))
    hook.hear(closed(2, "a"))
    assert len(hook.queue) == 0


async def test_a_stream_on_air_is_told_apart_from_others() -> None:
    hook = made("sleep 300", "on_air")
    async with working(hook):
        hook.hear(event(1, "stream.on_air", "a"))
        hook.hear(event(2, "stream.on_air", "b"))
        await until(lambda: hook.running == 2)
        hook.hear(event(3, "stream.off_air", "a"))
        await until(lambda: hook.running == 1)


async def test_one_that_ends_before_its_time_is_started_again(programs: Programs) -> None:
    clock = FakeClock()
    hook = made("", "on_air", clock)
    async with working(hook):
        hook.hear(event(1, "stream.on_air"))
        for number, pause_s in enumerate((*PAUSES_S, PAUSES_S[-1]), 1):
            await anyio.wait_all_tasks_blocked()
            assert len(programs.begun) == number
            programs.over[1].set()
            await anyio.wait_all_tasks_blocked()
            assert hook.error == "stream.on_air: ended before its time: exit code 1: lost"
            clock.advance(pause_s - 0.1)
            await anyio.wait_all_tasks_blocked()
            assert len(programs.begun) == number
            clock.advance(0.1)
        await anyio.wait_all_tasks_blocked()
        clock.advance(STEADY_S)
        assert hook.error == ""
        programs.over[1].set()
        await anyio.wait_all_tasks_blocked()
        clock.advance(PAUSES_S[0])
        await anyio.wait_all_tasks_blocked()
        assert (len(programs.begun), hook.failed) == (6, 5)


async def test_what_is_over_is_not_started_again(programs: Programs) -> None:
    clock = FakeClock()
    hook = made("", "on_air", clock)
    async with working(hook):
        hook.hear(event(1, "stream.on_air"))
        await anyio.wait_all_tasks_blocked()
        programs.over[1].set()
        await anyio.wait_all_tasks_blocked()
        hook.hear(event(2, "stream.off_air"))
        await anyio.wait_all_tasks_blocked()
        clock.advance(60)
        await anyio.wait_all_tasks_blocked()
    assert programs.begun == [1]


async def test_of_a_stream_there_is_one_program_at_a_time(programs: Programs) -> None:
    hook = made("", "on_air")
    programs.ending = anyio.Event()
    async with working(hook):
        hook.hear(event(1, "stream.on_air"))
        await anyio.wait_all_tasks_blocked()
        hook.hear(event(2, "stream.off_air"))
        hook.hear(event(3, "stream.on_air"))
        hook.hear(event(4, "stream.on_air", "other"))
        await anyio.wait_all_tasks_blocked()
        assert programs.begun == [1, 4]
        programs.ending.set()
        await anyio.wait_all_tasks_blocked()
        assert programs.begun == [1, 4, 3]


async def test_what_waits_for_a_place_and_is_over_is_not_run(
    programs: Programs, caplog: pytest.LogCaptureFixture
) -> None:
    hook = made("", "play", max_runs=1)
    async with working(hook):
        for number, session in enumerate("abc"):
            hook.hear(opened(number, session, "play"))
        await anyio.wait_all_tasks_blocked()
        [told] = caplog.messages
        assert told == "hook x: max_runs = 1 programs run, others wait"
        hook.hear(closed(3, "b", "play"))
        hook.hear(closed(4, "a", "play"))
        await anyio.wait_all_tasks_blocked()
        assert programs.begun == [0, 2]


async def test_a_test_runs_it_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "TEST_S", 0.2)
    assert await made("sleep 300", "play").test(event(0)) == "ran for 0.2 s and was ended"
    monkeypatch.setattr(lasting, "TEST_S", 10)
    with pytest.raises(StreamctlError, match="ended before its time: exit code 0: hello"):
        await made("echo hello", "play").test(event(0))


def test_it_is_known_what_has_begun_and_not_ended() -> None:
    begun = Begun()
    happened = [
        opened(1, "a"),
        opened(2, "b", "play"),
        event(3, "stream.on_air", "x"),
        event(4, "stream.on_air", "y"),
        opened(5, "c", "play"),
        closed(6, "b", "play"),
        event(7, "stream.off_air", "x"),
        event(8, "stream.off_air", "z"),
        event(9, "input.failed", "y"),
    ]
    for one in happened:
        begun.hear(one)
    found = {
        during: [one.id for one in begun.of(during)] for during in ("publish", "play", "on_air")
    }
    assert found == {"publish": [1], "play": [5], "on_air": [4]}
