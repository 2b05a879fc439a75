from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.config.load import parse, read_runtime
from streamctl.engine import causes as cause
from streamctl.engine import runtime
from streamctl.engine.runtime import IDLE_S, KEPT, MISSED_S
from streamctl.engine.server import Server
from streamctl.engine.web import NEW_CODES
from streamctl.errors import Conflict, NotReady, StreamctlError
from streamctl.registry import Registry
from streamctl.sdk.endpoints import Bytes, HttpRequest, Wait
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request
from streamctl.testing.clock import FakeClock
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.config.model import Config, StreamConfig
    from streamctl.sdk.session import Session

pytestmark = pytest.mark.anyio

REGISTRY = Registry()
REGISTRY.statuses()
HEAD = """
[http]
address = "127.0.0.1:0"
[limits]
runtime_streams = 2
[streams.news]
inputs = ["publish:"]
"""
LIVE = '[templates.live]\nprefix = "stage/"\npublish_key = "p"\n'
PULLED = """
[templates.cam]
prefix = "cam/"
on_demand = true
close_after_s = 4
read_key = "r"
inputs = ["rtmp://127.0.0.1:1/live/{name}"]
"""


def config(text: str = LIVE + PULLED) -> Config:
    return parse(HEAD + text, "test.toml", REGISTRY, {})


@asynccontextmanager
async def serving(text: str = LIVE + PULLED) -> AsyncIterator[Server]:
    server = Server(config(text), REGISTRY, FakeClock())
    up = anyio.Event()

    async def run() -> None:
        await server.run(started=up.set)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(PATIENCE_S):
            await up.wait()
        yield server
        tasks.cancel_scope.cancel()


def request(path: str, action: Action = Action.PUBLISH, key: str = "p") -> Request:
    return Request("rtmp", action, path, "192.0.2.1", key=key)


def enter(server: Server, path: str, action: Action = Action.PUBLISH, key: str = "p") -> Session:
    grant = server.gate.check(request(path, action, key))
    assert isinstance(grant, Grant)

    def close(reason: str) -> None:
        server.gate.close(session, reason)

    session = server.gate.open(grant, close)
    if action is Action.PUBLISH:
        server.gate.publish(grant, session)
    return session


def refusal(server: Server, path: str, action: Action = Action.PUBLISH, key: str = "p") -> str:
    answer = server.gate.check(request(path, action, key))
    assert isinstance(answer, Refusal)
    return answer.code


def page(path: str) -> HttpRequest:
    return HttpRequest("GET", path, {"key": "r"}, {}, "192.0.2.1", 1)


async def pass_time(server: Server, seconds: float) -> None:
    clock = server.clock
    assert isinstance(clock, FakeClock)
    clock.advance(seconds)
    await server.runtime.sweep()


async def test_a_publisher_under_a_prefix_makes_a_stream() -> None:
    async with serving() as server:
        session = enter(server, "live/stage/one")
        status = server.stream("stage/one")
        assert session.code == "stage/one"
        assert (status.runtime, status.template) == (True, "live")
        assert [one.id for one in server.streams()] == ["news", "stage/one"]
        assert server.running["stage/one"].publisher is session


async def test_being_granted_is_not_being_there() -> None:
    async with serving() as server:
        assert isinstance(server.gate.check(request("stage/one")), Grant)
        assert isinstance(server.gate.peek(request("stage/one")), Grant)
        assert set(server.running) == {"news"}


async def test_keys_and_limits_hold_before_there_is_a_stream() -> None:
    async with serving() as server:
        assert refusal(server, "stage/one", key="x") == RefusalCode.UNAUTHORIZED
        assert refusal(server, "stage/one", Action.PLAY) == RefusalCode.NOT_FOUND
        assert refusal(server, "stage/mpegts") == RefusalCode.NOT_FOUND
        assert refusal(server, "cam/one") == RefusalCode.NOT_FOUND
        assert refusal(server, "cam/one", Action.PLAY, "x") == RefusalCode.UNAUTHORIZED
        assert refusal(server, "cam/one/two", Action.PLAY, "r") == RefusalCode.NOT_FOUND
        enter(server, "stage/one")
        enter(server, "stage/two")
        assert refusal(server, "stage/three") == RefusalCode.LIMIT
        grant = Grant("stage/three", request("stage/three"))
        with pytest.raises(StreamctlError, match="2 streams"):
            server.gate.open(grant, lambda reason: None)


async def test_the_limit_is_not_for_those_who_come_back() -> None:
    async with serving() as server:
        enter(server, "stage/one")
        enter(server, "stage/two")
        await server.coordinator.stop("stage/one", "its tasks failed")
        assert isinstance(server.gate.check(request("stage/one")), Grant)
        assert refusal(server, "stage/three") == RefusalCode.LIMIT


async def test_whoever_asks_for_paths_without_end_costs_no_memory() -> None:
    async with serving() as server:
        for path in (
            "stage/" + "x" * 200,
            "stage/ä",
            "stage/a//b",
            "stage/a b",
            "stage/..",
            "stage/",
        ):
            assert server.runtime.candidate(path, Action.PUBLISH) is None
        assert not server.runtime._known.streams
        for number in range(KEPT + 10):
            assert server.runtime.candidate(f"stage/{number}", Action.PUBLISH) is not None
        assert len(server.runtime._known.streams) <= KEPT


async def test_a_path_of_many_parts_costs_no_more_than_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may mean dozens of codes, and to read a stream takes a while."""
    read: list[str] = []

    def reading(code: str, *others: Any) -> StreamConfig:
        read.append(code)
        return read_runtime(code, *others)

    monkeypatch.setattr(runtime, "read_runtime", reading)
    async with serving() as server:
        for number in range(10):
            path = "/".join([str(number), *"abcdefghijklmnopqrstuvwxyz"])
            for prefix in ("stage", "cam"):
                reply = server.web.handle(page(f"/{prefix}/{path}.xyz"))
                assert isinstance(reply, Bytes)
                assert reply.status == 404
        assert len(read) <= 1 + 10 * NEW_CODES
        read.clear()
        assert server.runtime.candidate("stage/0", Action.PUBLISH) is not None
        assert isinstance(server.web.handle(page("/cam/0/index.m3u8")), Wait)
        read.clear()
        path = "/".join("abcdefghijklmnopqrstuvwxyz")
        assert isinstance(server.web.handle(page(f"/cam/{path}/b.xyz")), Bytes)
        assert not read


async def test_a_push_wants_a_stream_of_the_file_for_ever() -> None:
    text = '[streams.own]\non_demand = true\ninputs = ["rtmp://127.0.0.1:1/live/x"]\n'
    text += '[[streams.own.push]]\nname = "p"\nurl = "rtmp://127.0.0.1:2/live/x"\n'
    async with serving(text) as server:
        await pass_time(server, 60)
        assert server.running["own"].inputs.machine.wanted


async def test_places_with_keys_of_their_own_are_for_those_who_know_them() -> None:
    text = '[templates.t]\nprefix = "t/"\n[[templates.t.inputs]]\nurl = "publish:"\nkey = "own"\n'
    async with serving(text) as server:
        assert refusal(server, "t/a") == RefusalCode.UNAUTHORIZED
        assert enter(server, "t/a", key="own").code == "t/a"


async def test_a_second_publisher_is_refused() -> None:
    async with serving() as server:
        enter(server, "stage/one")
        assert refusal(server, "stage/one") == RefusalCode.BUSY


async def test_of_two_that_race_for_a_name_one_gets_it() -> None:
    async with serving() as server:
        grants = [server.gate.check(request("stage/one")) for _ in range(2)]
        first, second = (grant for grant in grants if isinstance(grant, Grant))
        session = server.gate.open(first, lambda reason: None)
        late = server.gate.open(second, lambda reason: None)
        server.gate.publish(first, session)
        with pytest.raises(StreamctlError, match="already has a publisher"):
            server.gate.publish(second, late)
        assert server.running["stage/one"].publisher is session


async def test_a_stream_of_the_file_that_does_not_run_leaves_its_name_free_for_nobody() -> None:
    own = '[streams."stage/own"]\ninputs = ["publish:"]\npublish_key = "mine"\n'
    async with serving(LIVE + own) as server:
        await server.coordinator.stop("stage/own", "it can't be started")
        for path in ("stage/own", "live/stage/own"):
            assert refusal(server, path) == RefusalCode.NOT_FOUND
        assert not server.runtime.configs


async def test_streams_made_while_a_configuration_is_applied_stay() -> None:
    async with serving() as server:
        become, sessions = server.doors.become, []

        async def slowly(*args: Any) -> None:
            await become(*args)
            sessions.append(enter(server, "stage/one"))

        server.doors.become = slowly  # type: ignore[assignment,method-assign]
        await server.apply(config(LIVE + 'title = "T"\n' + PULLED))
        await server.reconciler.look()
        assert server.running["stage/one"].publisher is sessions[0]
        assert server.stream("stage/one").title == "T"


async def test_a_publisher_who_comes_at_the_last_moment_finds_its_stream() -> None:
    async with serving() as server:
        enter(server, "stage/one").close("gone")
        await pass_time(server, 0)
        turn = server.coordinator._turn("stage/one")
        async with anyio.create_task_group() as tasks, turn:
            tasks.start_soon(pass_time, server, IDLE_S)
            await anyio.wait_all_tasks_blocked()
            session = enter(server, "stage/one")
        assert server.running["stage/one"].publisher is session
        assert "stage/one" in server.runtime.configs


async def test_streams_of_templates_close_no_loop_with_one_another() -> None:
    pulls = "on_demand = true\nclose_after_s = 0\n"
    text = f'[templates.a]\nprefix = "a/"\n{pulls}inputs = ["copy:b/{{name}}"]\n'
    text += f'[templates.b]\nprefix = "b/"\n{pulls}inputs = ["copy:a/{{name}}"]\n'
    async with serving(text) as server:
        assert isinstance(server.gate.check(request("b/x", Action.PLAY)), Grant)
        enter(server, "a/x", Action.PLAY)
        with pytest.raises(StreamctlError, match="makes a loop of streams: `a/x` → `b/x` → `a/x`"):
            enter(server, "b/x", Action.PLAY)
        assert "b/x" not in server.running


async def test_pushes_do_not_keep_what_a_viewer_has_called() -> None:
    push = '[[templates.cam.push]]\nname = "p"\nurl = "rtmp://127.0.0.1:2/live/{name}"\n'
    async with serving(PULLED + push) as server:
        session = enter(server, "cam/front", Action.PLAY, "r")
        stream = server.running["cam/front"]
        assert stream.pushes.tasks
        session.close("enough")
        await pass_time(server, 5)
        stream.tick(server.clock.now())
        assert not stream.inputs.machine.wanted
        await pass_time(server, 1)
        await pass_time(server, IDLE_S)
        assert "cam/front" not in server.running


@pytest.mark.parametrize(("watched", "patience_s"), [(False, IDLE_S), (True, MISSED_S)])
async def test_streams_without_publisher_are_reaped(*, watched: bool, patience_s: float) -> None:
    async with serving() as server:
        publisher = enter(server, "stage/one")
        viewer = enter(server, "stage/one", Action.PLAY) if watched else None
        await pass_time(server, 2 * patience_s)
        assert "stage/one" in server.running
        publisher.close("gone")
        await pass_time(server, patience_s - 5)
        enter(server, "stage/one").close("gone again")
        await pass_time(server, 1)
        await pass_time(server, patience_s - 2)
        assert "stage/one" in server.running
        await pass_time(server, 1)
        assert "stage/one" not in server.running
        if viewer is not None:
            assert viewer.reason == "nobody published for 300 s"
        told = [event.type for event in server.events_log.history if event.stream == "stage/one"]
        assert "stream.runtime_created" in told
        assert told[-1] == "stream.runtime_expired"
        await server.reconciler.look()
        assert "stage/one" not in server.running


async def test_the_reconciler_leaves_them_alone() -> None:
    async with serving() as server:
        enter(server, "stage/one")
        await server.reconciler.look()
        assert "stage/one" in server.running


async def test_they_can_not_be_edited() -> None:
    async with serving() as server:
        enter(server, "stage/one")
        edit = server.configuration
        with pytest.raises(Conflict, match="made of template `live`"):
            await edit.delete_stream("stage/one", dry_run=False)
        with pytest.raises(Conflict, match="made of template"):
            await edit.patch_stream("stage/one", {"disabled": True}, dry_run=False)
        with pytest.raises(Conflict, match="made of template"):
            await edit.put_stream("stage/one", {"inputs": ["publish:"]}, dry_run=False)


async def test_they_are_started_anew_with_what_their_template_says() -> None:
    async with serving() as server:
        session = enter(server, "stage/one")
        before = server.running["stage/one"]
        plan = await server.configuration.restart_stream("stage/one", dry_run=False)
        assert (plan.steps[0].action, plan.failures) == ("restart", {})
        assert session.reason
        assert server.running["stage/one"] is not before
        assert server.running["stage/one"].config == before.config
        enter(server, "stage/one")


async def test_a_template_that_changes_changes_its_streams() -> None:
    async with serving() as server:
        session = enter(server, "stage/one")
        plan = await server.apply(config(LIVE + 'title = "T"\n' + PULLED))
        assert [(step.stream, step.action) for step in plan.steps] == [("stage/one", "update")]
        assert server.running["stage/one"].publisher is session
        assert server.stream("stage/one").title == "T"
        plan = await server.apply(config(PULLED))
        assert [(step.stream, step.action) for step in plan.steps] == [("stage/one", "stop")]
        assert session.reason == "stream removed"


async def test_a_configured_stream_takes_over_under_its_publisher() -> None:
    async with serving() as server:
        session = enter(server, "stage/one")
        own = '[streams."stage/one"]\ntemplate = "live"\ninputs = ["publish:"]\n'
        await server.apply(config(LIVE + PULLED + own))
        assert server.running["stage/one"].publisher is session
        assert not server.stream("stage/one").runtime
        assert not server.runtime.configs


async def test_viewers_call_streams_that_are_pulled() -> None:
    async with serving() as server:
        session = enter(server, "cam/front", Action.PLAY, "r")
        stream = server.running["cam/front"]
        assert stream.inputs.machine.wanted
        await pass_time(server, 2 * IDLE_S)
        assert "cam/front" in server.running
        session.close("enough")
        stream.tick(server.clock.now())
        assert stream.inputs.machine.wanted
        await pass_time(server, 5)
        stream.tick(server.clock.now())
        assert not stream.inputs.machine.wanted
        assert cause.IDLE in stream.causes
        assert server.stream("cam/front").status == "active"
        assert server.health().status == "ok"
        await pass_time(server, 1)
        await pass_time(server, IDLE_S)
        assert "cam/front" not in server.running


async def test_a_request_over_http_calls_a_stream_and_waits_for_it() -> None:
    async with serving() as server:
        reply = server.web.handle(page("/cam/front/index.m3u8"))
        assert isinstance(reply, Wait)
        assert server.running["cam/front"].inputs.machine.wanted
        server.running["cam/front"].demand.begun()
        assert reply.event.is_set()
        answer = reply.then()
        assert isinstance(answer, Bytes)
        answer = server.web.handle(page("/cam/front"))
        assert isinstance(answer, Bytes)
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/cam/front/nothing", 404), ("/cam/a/b/index.m3u8", 404), ("/stage/x/index.m3u8", 404)],
)
async def test_other_requests_call_nothing(path: str, status: int) -> None:
    async with serving() as server:
        answer = server.web.handle(page(path))
        assert isinstance(answer, Bytes)
        assert answer.status == status
        assert set(server.running) == {"news"}


async def test_a_wrong_key_over_http_calls_nothing() -> None:
    async with serving() as server:
        answer = server.web.handle(
            HttpRequest("GET", "/cam/front/index.m3u8", {"key": "x"}, {}, "192.0.2.1", 1)
        )
        assert isinstance(answer, Bytes)
        assert answer.status in {401, 403}
        assert set(server.running) == {"news"}


async def test_a_stream_that_is_being_stopped_can_not_be_made() -> None:
    async with serving() as server:
        enter(server, "stage/one")
        async with server.coordinator._turn("stage/two"):
            grant = Grant("stage/two", request("stage/two"))
            with pytest.raises(NotReady):
                server.gate.open(grant, lambda reason: None)
