from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.config.load import parse
from streamctl.engine.doors import Entrance, Plain
from streamctl.engine.server import TICK_S, Server
from streamctl.engine.stream import Stream
from streamctl.errors import ConfigError, ConnectionFailed, NotFound, StreamctlError
from streamctl.registry import Registry
from streamctl.sdk.session import Action, Grant, Request
from streamctl.testing.clock import FakeClock
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.config.model import Config
    from streamctl.schema import Plan

pytestmark = pytest.mark.anyio

REGISTRY = Registry()
REGISTRY.statuses()
PORTS = """
[http]
address = "127.0.0.1:0"
[api]
address = "127.0.0.1:0"
[listeners.rtmp]
address = "127.0.0.1:0"
"""
NEWS = '[streams.news]\ninputs = ["publish:"]\n'
OTHER = '[streams.other]\ninputs = ["publish:"]\n'


def config(text: str) -> Config:
    return parse(PORTS + text, "test.toml", REGISTRY, {})


@asynccontextmanager
async def serving(text: str) -> AsyncIterator[Server]:
    server = Server(config(text), REGISTRY)
    up = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await server.run(started=up.set)

        tasks.start_soon(run)
        with anyio.fail_after(PATIENCE_S):
            await up.wait()
        yield server
        server.stop()


async def test_every_listener_is_bound_and_reported() -> None:
    async with serving(NEWS) as server:
        assert set(server.addresses) == {"rtmp", "http"}
        for address in server.addresses.values():
            stream = await anyio.connect_tcp(*address)
            await stream.aclose()
        health = server.health()
        assert health.status == "ok"
        urls = dict(server.watch_urls("news", lambda door: "h"))
        assert urls["rtmp"] == f"rtmp://h:{server.addresses['rtmp'][1]}/live/news"
        assert set(urls) >= {"rtmp", "hls", "http-ts"}


async def test_other_services_run_beside_the_listeners_until_the_stop() -> None:
    server = Server(config(NEWS), REGISTRY)
    ended: list[str] = []

    async def service(ready: object) -> None:
        assert callable(ready)
        ready(("127.0.0.1", 9))
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("yes")

    server.add_door("api", lambda config: Entrance(config.api, 0, lambda: Plain(service)))
    await server.run(started=server.stop)
    assert server.addresses["api"] == ("127.0.0.1", 9)
    assert ended == ["yes"]


async def test_a_taken_port_fails_the_start_with_its_address() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        text = PORTS.replace(
            '[listeners.rtmp]\naddress = "127.0.0.1:0"',
            f'[listeners.rtmp]\naddress = "127.0.0.1:{port}"',
        )
        server = Server(parse(text + NEWS, "test.toml", REGISTRY, {}), REGISTRY)
        with pytest.raises(ConnectionFailed, match=str(port)):
            await server.run()


async def test_applying_touches_only_the_streams_that_changed() -> None:
    async with serving(NEWS + OTHER) as server:
        news, other = server.running["news"], server.running["other"]
        added = config(NEWS + OTHER + "merge_ms = 100\n[streams.more]\ninputs = ['publish:']\n")
        plan = await server.apply(added)
        assert [(s.stream, s.action) for s in plan.steps] == [
            ("more", "start"),
            ("other", "update"),
        ]
        assert server.running["news"] is news
        assert server.running["other"] is other
        assert other.graph.settings.merge_s == 0.1
        plan = await server.apply(config(NEWS.replace("inputs", "title = 'N'\ninputs")))
        assert [(s.stream, s.action) for s in plan.steps] == [
            ("more", "stop"),
            ("news", "update"),
            ("other", "stop"),
        ]
        assert server.running == {"news": news}
        assert news.config.title == "N"
        told = [(event.type, event.stream) for event in server.events_log.history]
        assert [
            one for one in told if one[0].split(".")[1] in {"created", "updated", "deleted"}
        ] == [
            ("stream.created", "more"),
            ("stream.updated", "other"),
            ("stream.updated", "news"),
            ("stream.deleted", "more"),
            ("stream.deleted", "other"),
        ]
        assert told.index(("stream.stopped", "more")) < told.index(("stream.deleted", "more"))
        assert told[-1] == ("config.changed", "")


async def test_the_api_changes_streams_in_memory() -> None:
    async with serving(NEWS) as server:
        plan = await server.configuration.put_stream("a/b", {"inputs": ["publish:"]}, dry_run=True)
        assert [s.action for s in plan.steps] == ["start"]
        assert "a/b" not in server.running
        await server.configuration.put_stream("a/b", {"inputs": ["publish:"]}, dry_run=False)
        assert server.stream("a/b").status == "degraded"
        with pytest.raises(ConfigError):
            await server.configuration.put_stream(
                "bad", {"inputs": ["publish:"], "merge": 1}, dry_run=False
            )
        await server.configuration.delete_stream("a/b", dry_run=False)
        with pytest.raises(NotFound):
            server.stream("a/b")
        with pytest.raises(NotFound):
            await server.configuration.delete_stream("a/b", dry_run=True)


async def test_disabled_streams_are_listed_as_stopped() -> None:
    async with serving(NEWS + "disabled = true\n" + OTHER) as server:
        assert [(s.id, s.status) for s in server.streams()] == [
            ("news", "stopped"),
            ("other", "degraded"),
        ]
        assert [s.id for s in server.streams("stopped")] == ["news"]
        assert server.gate.disabled == {"news"}


async def test_when_everything_listens_the_server_has_started() -> None:
    async with serving(NEWS) as server:
        assert [one.type for one in server.events_log.history] == [
            "stream.started",
            "server.started",
        ]


async def test_sessions_can_be_listed_and_kicked() -> None:
    async with serving(NEWS) as server:
        grant = server.gate.check(Request("rtmp", Action.PUBLISH, "live/news", "127.0.0.1", 7))
        assert isinstance(grant, Grant)
        closed: list[str] = []
        session = server.gate.open(grant, closed.append)
        server.gate.publish(grant, session)
        assert [s.id for s in server.sessions("news")] == [session.id]
        assert server.session(session.id).peer == "127.0.0.1:7"
        assert server.counters().sessions == {("rtmp", "publish"): 1}
        server.kick(session.id, "by the test")
        assert closed == ["kicked: by the test"]
        server.gate.close(session, "closed")
        told = [one.type for one in server.events_log.history if one.stream == "news"]
        assert told.index("session.kicked") < told.index("session.closed")
        with pytest.raises(NotFound):
            server.session(session.id)
        with pytest.raises(NotFound):
            server.kick("nobody", "x")


async def test_a_refused_reload_is_shown_until_a_good_one() -> None:
    async with serving(NEWS) as server:
        server.reload_failed("streams.toml:3: bad")
        newest = server.events_log.history[-1]
        assert (newest.type, newest.payload) == (
            "config.refused",
            {"error": "streams.toml:3: bad"},
        )
        assert server.health().status == "degraded"
        await server.apply(config(NEWS))
        assert server.health().status == "ok"
        assert server.events_log.history[-1].type == "config.changed"


async def test_of_a_file_that_says_the_same_nothing_is_told() -> None:
    async with serving(NEWS) as server:
        newest = server.newest_event()
        await server.apply(config(NEWS))
        assert server.newest_event() == newest


async def test_whoever_judges_callers_knows_before_a_door_opens() -> None:
    async with serving(NEWS) as server:
        told: list[str] = []

        def follow(word: str) -> Callable[[Config], None]:
            def follower(config: Config) -> None:
                told.append(f"{word} {len(config.streams)}, {len(server.addresses)} doors")

            return follower

        server.follow(follow("taken"), expect=follow("expected"))
        rtsp = '[listeners.rtsp]\naddress = "127.0.0.1:0"\n'
        await server.apply(config(NEWS + OTHER + rtsp))
        assert told == ["expected 2, 2 doors", "taken 2, 3 doors"]
        told.clear()
        taken = server.addresses["rtmp"][1]
        bad = rtsp.replace(":0", f":{taken}")
        with pytest.raises(ConfigError, match="in use"):
            await server.apply(config(NEWS + bad))
        assert told == ["expected 1, 3 doors", "taken 2, 3 doors"]


async def test_counters_cover_every_stream() -> None:
    async with serving(NEWS + OTHER) as server:
        counters = server.counters()
        assert [stream.code for stream in counters.streams] == ["news", "other"]
        assert counters.uptime_s >= 0
        assert {plugin.kind for plugin in server.plugins()} >= {"rtmp", "hls", "http-ts", "file"}


async def test_the_second_hand_of_a_server_looks_after_streams_viewers_and_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    server = Server(config("[limits]\nmemory_bytes = 2000000\n" + NEWS + OTHER), REGISTRY, clock)
    ticked: list[str] = []

    class Ticks(Stream):
        def tick(self, now: float) -> None:
            if self.code == "news":
                raise ZeroDivisionError("a bug")
            ticked.append(self.code)

    for code, stream in config(NEWS + OTHER).streams.items():
        server.running[code] = Ticks(stream, server.services)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._tick)
        for _ in range(2):
            await anyio.wait_all_tasks_blocked()
            clock.advance(TICK_S)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ticked == ["other", "other"]
    assert server.web.files.most == 2_000_000
    assert "stream news: tick failed" in caplog.text


async def test_a_pause_of_the_process_is_not_taken_for_silence_of_its_peers() -> None:
    clock = FakeClock()
    server = Server(config(NEWS), REGISTRY, clock)
    ticked: list[float] = []

    class Ticks(Stream):
        def tick(self, now: float) -> None:
            ticked.append(now)

    server.running["news"] = Ticks(config(NEWS).streams["news"], server.services)
    start = clock.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._tick)
        for seconds in (TICK_S, 60 * TICK_S, TICK_S):
            await anyio.wait_all_tasks_blocked()
            clock.advance(seconds)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ticked == [start + TICK_S, start + 62 * TICK_S]


async def test_a_shutdown_ends_streams_sessions_and_followers() -> None:
    server = Server(config(NEWS), REGISTRY)
    followed: list[str] = []
    closed: list[str] = []

    async def follow() -> None:
        followed.extend([one.type async for piece in server.events(0) for one in piece])

    up = anyio.Event()

    async def serve() -> None:
        await server.run(started=up.set)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await up.wait()
        tasks.start_soon(follow)
        grant = server.gate.check(Request("rtmp", Action.PUBLISH, "live/news", "127.0.0.1", 7))
        assert isinstance(grant, Grant)

        def close(reason: str) -> None:
            closed.append(reason)
            tasks.start_soon(leave, reason)

        async def leave(reason: str) -> None:
            await anyio.wait_all_tasks_blocked()
            server.gate.close(session, reason)

        session = server.gate.open(grant, close)
        server.gate.publish(grant, session)
        server.stop()
    assert closed == ["the server is shutting down"]
    assert followed[-2:] == ["session.closed", "server.stopping"]
    assert followed.count("session.closed") == 1
    assert server.running == {}
    assert server.health().status == "down"


async def test_a_service_that_fails_later_ends_the_server_in_order() -> None:
    server = Server(config(NEWS), REGISTRY)
    broken = anyio.Event()

    async def service(ready: object) -> None:
        assert callable(ready)
        ready(("127.0.0.1", 9))
        await broken.wait()
        raise OSError("gone")

    server.add_door("api", lambda config: Entrance(config.api, 0, lambda: Plain(service)))
    with pytest.raises(StreamctlError, match="api stopped serving: gone"):
        await server.run(started=broken.set)
    assert server.running == {}


async def test_who_comes_as_soon_as_a_port_is_open_finds_the_streams() -> None:
    server = Server(config(NEWS), REGISTRY)
    answers: list[object] = []

    async def service(ready: object) -> None:
        assert callable(ready)
        wish = Request("rtmp", Action.PUBLISH, "live/news", "127.0.0.1", 7)
        answers.append(server.gate.check(wish))
        ready(("127.0.0.1", 9))
        await anyio.sleep_forever()

    server.add_door("api", lambda config: Entrance(config.api, 0, lambda: Plain(service)))
    await server.run(started=server.stop)
    assert isinstance(answers[0], Grant)


async def test_a_file_that_changes_while_the_server_starts_is_taken_afterwards() -> None:
    port = free_port()
    http = f'[http]\naddress = "127.0.0.1:{port}"\n'
    texts = [
        PORTS.replace('[http]\naddress = "127.0.0.1:0"\n', http) + NEWS + one for one in ("", OTHER)
    ]
    first, second = (parse(text, "test.toml", REGISTRY, {}) for text in texts)
    server = Server(first, REGISTRY)
    plans: list[Plan] = []

    async def change() -> None:
        plans.append(await server.apply(second))
        server.stop()

    async with anyio.create_task_group() as tasks:
        # As soon as there are tasks to open doors in.
        tasks.start_soon(server.run)
        tasks.start_soon(change)
    assert [step.stream for step in plans[0].steps] == ["other"]
    assert plans[0].failures == {}


async def test_a_server_that_can_not_start_leaves_no_stream_behind() -> None:
    server = Server(config(NEWS), REGISTRY)

    async def service(ready: object) -> None:
        raise ConnectionFailed("taken")

    server.add_door("api", lambda config: Entrance(config.api, 0, lambda: Plain(service)))
    with pytest.raises(ConnectionFailed, match="taken"):
        await server.run()
    assert server.running == {}
