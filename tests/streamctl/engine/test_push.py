from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.engine.push import Push, Retry
from streamctl.errors import ConnectionFailed, NotReady
from streamctl.media.packet import Format, Packet
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop
from tests.streamctl.engine.test_ingest import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor

pytestmark = pytest.mark.anyio


class ListSink:
    """Takes packets; fails as often as it is told."""

    wants = Format.PACKETS
    bytes_sent = 0

    def __init__(self, plugin: SinkPlugin) -> None:
        self.plugin = plugin

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        if self.plugin.failures:
            raise self.plugin.failures.pop(0)
        connected()
        try:
            while True:
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

    def sink(self, url: StreamURL, options: Any, ctx: Context) -> ListSink:
        return ListSink(self)


def pushed(rig: Rig, plugin: SinkPlugin, retry: Retry) -> Push:
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    return Push(stream, plugin, StreamURL.parse("sink://u:secret@h/p"), retry)


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


async def test_a_push_waits_for_the_stream_to_go_on_air() -> None:
    plugin = SinkPlugin()
    rig = Rig(plugin)
    stream = rig.stream()
    push = Push(stream, plugin, StreamURL.parse("sink://h/p"), Retry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        await settle(rig, 1)
        assert push.state.value == "starting"
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
        await settle(rig, 11)
    assert push.state.value == "failed"
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
