from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from streamctl.errors import ConnectionFailed
from streamctl.sdk.session import Action, RefusalCode
from streamctl_srt import admission, connection
from streamctl_srt import port as port_module
from streamctl_srt.admission import Admitted
from streamctl_srt.constants import Option
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.options import ListenerOptions, OutputOptions
from streamctl_srt.port import Port, SrtListener
from streamctl_srt.sender import Outbox
from streamctl_srt.settings import Settings
from streamctl_srt.wire.streamid import StreamId
from tests.plugins.streamctl_srt.world import HOST, MESSAGE, World, chunk, need_libsrt
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

WORD = "correct horse battery"


@pytest.fixture(autouse=True)
def libsrt(monkeypatch: pytest.MonkeyPatch) -> None:
    need_libsrt()
    monkeypatch.setattr(port_module, "TICK_S", 0.1)
    # Handshakes may take longer on a machine that stands still now and then.
    monkeypatch.setattr(admission, "RESERVED_S", 60.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends nothing at once is a viewer."""
    monkeypatch.setattr(connection, "ROLE_S", 0.05)


async def refused(world: World, stream_id: str, **settings: str) -> str:
    """Why a caller is refused."""
    with pytest.raises(ConnectionFailed) as caught:
        async with world.caller(stream_id, **settings):
            pass
    return caught.value.message


async def test_a_publishers_bytes_come_whole_and_in_order() -> None:
    world = World()
    async with world.serving(), world.caller("publish:news") as caller:
        await world.until(lambda: world.writer)
        assert world.writer is not None
        sent = b"".join(bytes([n]) * 1316 for n in range(50))
        for at in range(0, len(sent), 1316):
            caller.send(sent[at : at + 1316])
        caller.send(b"short")
        await world.until(lambda: len(world.writer.data) == len(sent) + 5)  # type: ignore[union-attr]
        assert world.writer.data == sent + b"short"
        [session] = world.sessions
        assert (session.action, session.code, session.ip) == (Action.PUBLISH, "news", HOST)
        assert session.user_agent.startswith("SRT 1.")
        assert session.bytes_in == len(sent) + 5
        link = session.measure()
        assert link["packets"] == 51
        assert link["latency_ms"] == 120
        assert link["encrypted"] is False
        assert world.admitted == 1
    assert world.admitted == 0
    assert [session.action for session, _ in world.ended] == [Action.PUBLISH]


async def test_a_viewer_joins_at_the_newest_picture_and_follows() -> None:
    world = World()
    world.append(chunk(0, rap=True), chunk(1), chunk(2, rap=True), chunk(3))
    async with world.serving(), world.caller("read:live/news") as caller:
        expected = chunk(2, rap=True).join + b"".join(chunk(n).data for n in (2, 3))
        await world.until(lambda: len(caller.data) >= len(expected))
        world.append(chunk(4))
        expected += chunk(4).data
        await world.until(lambda: len(caller.data) >= len(expected))
        assert caller.data == expected
        [session] = world.sessions
        await world.until(lambda: session.measure()["packets"])
        assert session.measure()["dropped"] == 0


@pytest.mark.parametrize(
    ("stream_id", "reason", "code"),
    [
        ("publish:nowhere", "no such stream", RefusalCode.NOT_FOUND),
        ("read:secure", "not authorised", RefusalCode.UNAUTHORIZED),
        ("publish:../../x", "can't read the stream id", RefusalCode.BAD_REQUEST),
        ("", "can't read the stream id", RefusalCode.BAD_REQUEST),
    ],
)
async def test_a_caller_is_told_why_it_is_refused(
    stream_id: str, reason: str, code: RefusalCode
) -> None:
    world = World()
    world.options["secure"] = OutputOptions()
    async with world.serving():
        assert reason in await refused(world, stream_id)
        await world.until(lambda: world.refusals)
    [(request, refusal)] = world.refusals
    assert refusal.code is code
    assert request.ip == HOST
    assert world.admitted == 0


async def test_a_key_in_the_stream_id_lets_in() -> None:
    world = World()
    world.options["secure"] = OutputOptions()
    async with world.serving(), world.caller("#!::r=secure,m=publish,s=change-me"):
        await world.until(lambda: world.writer)


async def test_a_second_publisher_is_refused() -> None:
    world = World()
    async with world.serving(), world.caller("publish:news"):
        await world.until(lambda: world.writer)
        assert "already has a publisher" in await refused(world, "publish:news")


async def test_no_more_connections_than_allowed() -> None:
    world = World()
    async with world.serving(max_connections=1), world.caller("read:news"):
        await world.until(lambda: world.sessions)
        assert "full" in await refused(world, "read:news")


async def test_who_is_one_too_many_for_the_server_is_closed() -> None:
    world = World()
    world.full = True
    async with world.serving(), world.caller("read:news") as caller:
        await world.until(lambda: caller.over)
    assert world.sessions == []


async def test_a_passphrase_of_the_stream_is_needed_and_enough() -> None:
    world = World()
    world.options["news"] = OutputOptions(publish_passphrase=SecretStr(WORD))
    async with world.serving():
        assert "wrong passphrase" in await refused(world, "publish:news", passphrase="x" * 12)
        assert "passphrase" in await refused(world, "publish:news")
        await world.until(lambda: len(world.refusals) == 2)
        assert {refusal.code for _, refusal in world.refusals} == {RefusalCode.UNAUTHORIZED}
        assert "passphrase" in world.refusals[0][1].message
        async with world.caller("publish:news", passphrase=WORD):
            await world.until(lambda: world.writer)
        async with world.caller("read:news"):
            await world.until(lambda: len(world.sessions) == 2)


@pytest.mark.parametrize("key_length", [128, 192, 256])
async def test_keys_of_every_length_carry_media(key_length: int) -> None:
    world = World()
    world.options["news"] = OutputOptions(publish_passphrase=SecretStr(WORD))
    settings: dict[str, Any] = {"passphrase": WORD, "key_length": key_length}
    async with world.serving(), world.caller("publish:news", **settings) as caller:
        await world.until(lambda: world.writer)
        caller.send(MESSAGE)
        await world.until(lambda: world.writer and world.writer.data == MESSAGE)
        assert world.sessions[0].measure()["encrypted"] is True


async def test_a_failed_handshake_frees_the_publishers_place() -> None:
    world = World()
    world.options["news"] = OutputOptions(publish_passphrase=SecretStr(WORD))
    async with world.serving():
        await refused(world, "publish:news", passphrase="x" * 12)
        async with world.caller("publish:news", passphrase=WORD):
            await world.until(lambda: world.writer)


async def test_who_says_nothing_and_sends_is_a_publisher() -> None:
    world = World()
    async with world.serving(), world.caller("news") as caller:
        caller.send(MESSAGE)
        await world.until(lambda: world.writer and world.writer.data == MESSAGE)


@pytest.mark.usefixtures("impatient")
async def test_who_says_nothing_and_waits_is_a_viewer() -> None:
    world = World()
    world.append(chunk(0, rap=True))
    async with world.serving(), world.caller("live/news") as caller:
        await world.until(lambda: caller.data)
        assert world.sessions[0].action is Action.PLAY


@pytest.mark.usefixtures("impatient")
async def test_who_sends_late_is_a_publisher_after_all() -> None:
    world = World()
    world.append(chunk(0, rap=True))
    async with world.serving(), world.caller("news") as caller:
        await world.until(lambda: caller.data)
        caller.send(MESSAGE)
        await world.until(lambda: world.writer and world.writer.data == MESSAGE)
        assert [session.action for session in world.sessions] == [Action.PLAY, Action.PUBLISH]
        assert world.ended == [(world.sessions[0], "it sends, so it publishes")]
        assert world.fanout.viewers == {}
        assert world.admitted == 1
    assert world.admitted == 0


@pytest.mark.usefixtures("impatient")
async def test_what_a_viewer_by_its_own_word_sends_is_not_looked_at() -> None:
    world = World()
    world.append(chunk(0, rap=True))
    async with world.serving(), world.caller("read:news") as caller:
        await world.until(lambda: caller.data)
        caller.send(MESSAGE)
        size = len(caller.data)
        world.append(chunk(1))
        await world.until(lambda: len(caller.data) > size)
        assert [session.action for session in world.sessions] == [Action.PLAY]


@pytest.mark.usefixtures("impatient")
async def test_a_viewers_passphrase_is_needed_without_a_mode_too() -> None:
    world = World()
    world.options["news"] = OutputOptions(read_passphrase=SecretStr(WORD))
    world.append(chunk(0, rap=True))
    async with world.serving(), world.caller("news") as caller:
        await world.until(lambda: caller.over)
        assert (world.sessions, bytes(caller.data)) == ([], b"")
        assert "another passphrase is needed to play" in world.refusals[0][1].message


async def test_a_publishers_passphrase_is_needed_without_a_mode_too() -> None:
    world = World()
    world.options["news"] = OutputOptions(publish_passphrase=SecretStr(WORD))
    world.taken = True
    async with world.serving(), world.caller("news") as caller:
        world.silent = True
        caller.send(MESSAGE)
        await world.until(lambda: caller.over)
        assert world.writer is None
        assert "another passphrase is needed to publish" in world.refusals[0][1].message


async def test_a_publisher_that_comes_back_takes_the_place_of_its_ghost() -> None:
    world = World()
    world.taken = True
    async with world.serving(), world.caller("news") as caller:
        world.peeked.clear()
        caller.send(MESSAGE)
        await world.until(lambda: Action.PUBLISH in world.peeked)
        assert world.sessions == []
        world.silent = True
        caller.send(MESSAGE)
        await world.until(lambda: world.sessions)
        assert world.sessions[0].action is Action.PUBLISH


async def test_a_session_can_be_closed_from_outside() -> None:
    world = World()
    async with world.serving(), world.caller("publish:news") as caller:
        await world.until(lambda: world.sessions)
        world.sessions[0].close("kicked")
        await world.until(lambda: caller.over)
        assert world.ended == [(world.sessions[0], "kicked")]
        assert world.admitted == 0


async def test_a_writer_that_was_revoked_ends_the_connection() -> None:
    world = World()
    async with world.serving(), world.caller("publish:news") as caller:
        await world.until(lambda: world.writer)
        assert world.writer is not None
        world.writer.stale = True
        caller.send(MESSAGE)
        await world.until(lambda: caller.over)
        assert world.ended[0][1] == "the epoch has ended"


async def test_a_caller_that_leaves_is_noticed() -> None:
    world = World()
    async with world.serving():
        async with world.caller("publish:news"):
            await world.until(lambda: world.writer)
        await world.until(lambda: world.ended)
        assert "closed the connection" in world.ended[0][1]


async def test_the_streams_own_latency_counts() -> None:
    world = World()
    world.options["news"] = OutputOptions(latency_ms=700)
    async with world.serving(), world.caller("publish:news"):
        await world.until(lambda: world.sessions)
        assert world.sessions[0].measure()["latency_ms"] == 700


async def test_both_ends_forgive_reordering_and_ask_for_a_large_buffer() -> None:
    world = World()
    async with world.runtime.running() as engine:
        port = Port(engine, world, world.ctx, Settings(), 10)
        world.port = (await port.open((HOST, 0)))[1]
        async with world.caller("publish:news") as caller:
            await world.until(lambda: port.connections)
            [came] = port.connections
            for endpoint in (caller.link.endpoint, came.endpoint):
                assert endpoint.number_of(Option.LOSSMAXTTL) == 128
                assert endpoint.number_of(Option.UDP_RCVBUF) == 16_777_216
        await port.close("done")


@pytest.mark.parametrize(("bind", "host"), [("", HOST), ("", "::1"), ("::1", "::1")])
async def test_both_families_are_served(bind: str, host: str) -> None:
    world = World()
    async with world.serving(bind), world.caller("read:news", host=host):
        await world.until(lambda: world.sessions)
        assert world.sessions[0].ip == host


async def test_an_address_that_is_taken_is_named() -> None:
    world = World()
    async with world.serving():
        second = SrtListener((HOST, world.port), ListenerOptions(), world.ctx, world.runtime)
        with pytest.raises(ConnectionFailed, match="address already in use") as caught:
            await second.serve(world, ready=lambda _: None)
    assert f"{HOST}:{world.port}" in caught.value.message
    assert "[listeners.srt] address" in caught.value.hint


async def test_who_comes_while_the_port_is_closed_does_not_keep_it_open() -> None:
    world = World()
    async with world.runtime.running() as engine:
        port = Port(engine, world, world.ctx, Settings(), 100)
        await port.open((HOST, 0))
        late = Endpoint(engine.library)
        port.admission._admitted[late.number] = Admitted(
            (HOST, 5), StreamId.parse("read:news"), {}, None, 0.0
        )
        port.admission.closing = True
        port.accepted((late, (HOST, 5)))
        assert port.connections == set()
        with anyio.fail_after(PATIENCE_S):
            await port.close("over")


async def test_no_thread_is_left() -> None:
    world = World()

    def native() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before, named = native(), threading.active_count()
    async with world.serving(), world.caller("publish:news"), world.caller("read:news"):
        await world.until(lambda: len(world.sessions) == 2)
        assert native() > before + 4
    await world.until(lambda: threading.active_count() <= named and native() <= before)


async def test_a_port_that_hears_nothing_any_more_is_an_error() -> None:
    world = World()
    async with world.runtime.running() as engine:
        listener = SrtListener((HOST, 0), ListenerOptions(), world.ctx, world.runtime)
        engine.reader._stopping = True
        with pytest.raises(ConnectionFailed, match="nothing is read"):
            await listener.serve(world, ready=lambda _: None)


async def test_a_port_that_can_not_send_any_more_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.append(chunk(0, rap=True))

    def broken(box: Outbox, now: float) -> float | None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Outbox, "pump", broken)
    listener = SrtListener((HOST, 0), ListenerOptions(), world.ctx, world.runtime)

    def opened(address: tuple[str, int]) -> None:
        world.port = address[1]

    async def call() -> None:
        await world.until(lambda: world.port)
        async with world.caller("read:news") as viewer:
            await world.until(lambda: viewer.over)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            with pytest.raises(ConnectionFailed, match="nothing is sent over SRT"):
                await listener.serve(world, ready=opened)
    assert world.ended[0][1] == "nothing is sent over SRT any more"
    assert world.admitted == 0


async def test_garbage_disturbs_nobody() -> None:
    world = World()
    async with world.serving(), world.caller("publish:news") as caller:
        await world.until(lambda: world.writer)
        async with await anyio.create_connected_udp_socket(HOST, world.port) as stranger:
            for data in (b"", b"\x80", b"\xff" * 1500, bytes(16), b"\x80\0\0\0" + bytes(60)):
                await stranger.send(data)
        caller.send(MESSAGE)
        await world.until(lambda: world.writer and world.writer.data == MESSAGE)
        assert len(world.sessions) == 1


async def test_a_port_that_retires_keeps_its_peers_and_gives_its_address_away() -> None:
    world = World()
    bound: list[tuple[str, int]] = []
    first = SrtListener((HOST, 0), ListenerOptions(), world.ctx, world.runtime)
    ended = anyio.Event()

    async def serve() -> None:
        await first.serve(world, ready=bound.append)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await world.until(lambda: bound)
        world.port = bound[0][1]
        async with world.caller("publish:news") as caller:
            await world.until(lambda: world.writer)
            assert world.writer is not None
            first.retire()
            second = SrtListener(bound[0], ListenerOptions(), world.ctx, world.runtime)
            tasks.start_soon(lambda: second.serve(world, ready=bound.append))
            await world.until(lambda: len(bound) == 2)
            before = len(world.writer.data)
            caller.send(b"G" * 1316)
            await world.until(lambda: world.writer and len(world.writer.data) > before)
            async with world.caller("read:news"):
                await world.until(lambda: len(world.sessions) == 2)
            assert not ended.is_set()
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()
        tasks.cancel_scope.cancel()
