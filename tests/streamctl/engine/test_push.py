from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

from streamctl.engine.push import Destination, Push, PushState, Retry
from streamctl.errors import ConnectionFailed, NotReady
from streamctl.media.packet import Format, Packet
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop
from tests.streamctl.engine.test_ingest import settle
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor

pytestmark = pytest.mark.anyio

URL = StreamURL.parse("sink://u:secret@h/p").as_destination()


class ListSink:
    """Takes packets; fails as often as it is told."""

    wants = Format.PACKETS
    bytes_sent = 0

    def __init__(self, plugin: SinkPlugin) -> None:
        self.plugin = plugin
        self.left_out = plugin.left_out

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        if self.plugin.failures:
            raise self.plugin.failures.pop(0)
        connected()
        if self.plugin.drops:
            self.plugin.drops -= 1
            raise ConnectionFailed("closed by the peer")
        try:
            while True:
                if self.plugin.drop.is_set():
                    self.plugin.drop = anyio.Event()
                    raise ConnectionFailed("closed by the peer")
                for item in cursor.take():
                    if isinstance(item, Packet):
                        self.plugin.packets.append(item)
                        self.bytes_sent += len(item.data)
                await cursor.wait()
        except NotReady:
            return


class SinkPlugin(ProtocolPlugin):
    """A destination in memory."""

    kind = "sink"
    caps = Cap.PUSH

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.packets: list[Packet] = []
        self.drops = 0
        """How often to close as soon as it is connected."""
        self.drop = anyio.Event()
        self.left_out = ""

    def sink(self, url: StreamURL, options: Any, ctx: Context) -> ListSink:
        return ListSink(self)


def pushed(rig: Rig, plugin: SinkPlugin, retry: Retry) -> Push:
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    return Push(stream, plugin, Destination(URL), retry)


async def test_a_push_starts_with_a_picture_and_ends_with_the_stream() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        assert push.state.value == "active"
        assert push.connected_at is not None
        assert push.bytes_sent == 25 * 110
        push.stream.graph.base.finish()
    assert push.state.value == "done"
    assert push.bytes_sent == 25 * 110
    assert len(plugin.packets) == 50
    told = [kind for kind in rig.types() if kind.startswith("push.")]
    assert told == ["push.started", "push.active", "push.done"]


async def test_a_push_waits_for_the_stream_to_go_on_air() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    stream = rig.stream()
    push = Push(stream, plugin, Destination(URL), Retry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        assert push.state.value == "waiting"
        _, writer, _ = rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), rig.clock.now())
        await settle(rig, 1)
        assert push.state.value == "active"
        stream.graph.base.finish()


async def test_failures_are_retried_as_often_as_allowed() -> None:
    plugin = SinkPlugin(ConnectionFailed("one"), ConnectionFailed("two"), ConnectionFailed("three"))
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(retries=2, wait_s=5))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        assert push.state.value == "reconnecting"
        assert push.next_attempt is not None
        await settle(rig, 19)
    assert push.state.value == "failed"
    assert push.next_attempt is None
    assert str(push.failure) == "three"
    assert list(push.errors) == ["one", "two", "three"]
    assert rig.types()[-2:] == ["push.reconnecting", "push.failed"]
    assert "secret" not in str(rig.events.history)


async def test_a_success_clears_the_errors_and_the_count() -> None:
    plugin = SinkPlugin(ConnectionFailed("one"))
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(retries=1, wait_s=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 2)
        assert push.state.value == "active"
        assert not push.errors
        assert push.attempt == 0
        push.stream.graph.base.finish()


async def test_an_error_that_can_not_be_helped_is_final() -> None:
    plugin = SinkPlugin(ConnectionFailed("no such host", permanent=True))
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry())
    await push.run()
    assert push.state.value == "failed"
    assert push.attempt == 1


async def test_a_bug_in_a_sink_is_one_failed_attempt() -> None:
    plugin = SinkPlugin(ZeroDivisionError("a bug"))
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(wait_s=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 0.5)
        assert list(push.errors) == ["ZeroDivisionError: a bug"]
        await settle(rig, 1)
        assert push.state.value == "active"
        push.stream.graph.base.finish()


def test_pauses_double_up_to_a_minute_and_are_spread() -> None:
    retry = Retry(wait_s=5)
    assert [retry.pause_s(failures) for failures in (1, 2, 3, 4, 5, 99)] == [5, 10, 20, 40, 60, 60]
    assert Retry(wait_s=300).pause_s(3) == 300
    assert (retry.pause_s(1, 0.0), retry.pause_s(1, 1.0)) == (4, 6)


async def test_the_connection_outlives_the_input_that_it_began_with() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry())
    stream = push.stream
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        stream.end("the publisher left")
        await settle(rig, 1)
        push.off_air(leave=False)
        assert push.state.value == "waiting"
        assert push.connected_at is not None
        _, writer, _ = rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), rig.clock.now())
        push.on_air()
        await settle(rig, 1)
        assert push.state.value == "active"
        assert push.connections == 1
        assert len(plugin.packets) == 100
        stream.graph.base.finish()
    assert push.connected_at is None


async def test_a_destination_that_is_not_held_is_left_while_the_stream_is_off_air() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry())
    push.destination = Destination(URL, hold=False)
    stream = push.stream
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        stream.end("the publisher left")
        push.off_air(leave=False)
        await settle(rig, 1)
        assert push.state.value == "waiting"
        assert push.connected_at is None
        assert push.sink is None
        assert push.attempt == 0
        _, writer, _ = rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), rig.clock.now())
        await settle(rig, 1)
        assert push.state.value == "active"
        assert push.connections == 2
        stream.graph.base.finish()
    assert "push.failed" not in rig.types()


async def test_news_of_the_stream_end_a_pause_and_the_count() -> None:
    plugin = SinkPlugin(ConnectionFailed("one"), ConnectionFailed("two"))
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(wait_s=600))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        assert (push.state, push.attempt) == (PushState.RECONNECTING, 1)
        push.hurry()
        await settle(rig, 1)
        assert (push.attempt, push.last_error) == (1, "two")
        push.hurry()
        await settle(rig, 1)
        assert push.state.value == "active"
        push.hurry()
        push.stream.graph.base.finish()


async def test_a_destination_that_drops_at_once_uses_its_attempts_up() -> None:
    plugin = SinkPlugin()
    plugin.drops = 9
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(retries=2, wait_s=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 8)
    assert push.state.value == "failed"
    assert push.connections == 3


async def test_one_that_worked_for_a_while_may_fail_as_often_again() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry(retries=1, wait_s=1))
    push.failures = 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 11)
        plugin.drop.set()
        assert push.stream.epoch is not None
        push.stream.epoch.put(gop(25), rig.clock.now())
        await anyio.wait_all_tasks_blocked()
        assert push.failures == 1
        assert push.state.value == "reconnecting"
        await settle(rig, 2)
        push.stream.graph.base.finish()


class LoopPlugin(SinkPlugin):
    """A destination that has a port."""

    ports: ClassVar[Mapping[str, int]] = {"sink": 1935}


@pytest.mark.parametrize(
    ("url", "back"),
    [
        ("sink://localhost/live/news", True),
        ("sink://127.0.0.1:1935/news", True),
        ("sink://127.0.0.1:1936/news", False),
        ("sink://127.0.0.1/live/other", False),
        ("sink://192.0.2.1/live/news", False),
        ("sink://nowhere.invalid/live/news", False),
    ],
)
async def test_a_way_back_into_the_stream_is_refused(url: str, back: bool) -> None:
    plugin = LoopPlugin()
    rig = Rig(plugin)
    push = pushed(rig, plugin, Retry())
    push.destination = Destination(StreamURL.parse(url))
    push.stream.services.ports["rtmp"] = 1935
    with anyio.move_on_after(PATIENCE_S if back else 0.5):
        await push.run()
    assert (push.state.value == "failed") == back
    if back:
        assert push.last_error == f"`{url}` leads `news` back into itself"
