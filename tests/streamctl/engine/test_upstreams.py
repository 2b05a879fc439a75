from __future__ import annotations

import anyio
import pytest

from streamctl.engine.upstreams import Upstreams
from streamctl.errors import NotFound, NotReady
from streamctl.media.packet import Format
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop

pytestmark = pytest.mark.anyio


async def test_waits_until_a_stream_is_on_air() -> None:
    rig = Rig()
    stream = rig.stream()
    upstreams = Upstreams(rig.streams)
    found: list[Format] = []

    async def wait() -> None:
        found.append(await upstreams.ready("news"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert stream.demand.readers == 1
        _, writer, _ = rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), 1000.0)
    assert found == [Format.PACKETS]
    assert stream.demand.readers == 0
    assert await upstreams.ready("news") is Format.PACKETS


async def test_a_stream_that_is_stopped_is_waited_for_no_longer() -> None:
    rig = Rig()
    stream = rig.stream()
    failures: list[NotReady] = []

    async def wait() -> None:
        try:
            await Upstreams(rig.streams).ready("news")
        except NotReady as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        stream.close("enough")
    assert len(failures) == 1


async def test_a_cursor_wants_its_stream_until_it_is_closed() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), 1000.0)
    cursor = Upstreams(rig.streams).open("news", Format.PACKETS)
    assert stream.demand.readers == 1
    assert cursor.join().tracks == (VIDEO, SOUND)
    assert not cursor.at_head()
    assert len(cursor.take()) == 50
    assert cursor.at_head()
    assert cursor.skip().items == 0
    cursor.close()
    cursor.close()
    assert stream.demand.readers == 0
    stream.close("enough")
    with pytest.raises(NotReady):
        await cursor.wait()


async def test_there_must_be_such_a_stream() -> None:
    with pytest.raises(NotFound):
        await Upstreams({}).ready("news")
    with pytest.raises(NotFound):
        Upstreams({}).open("news", Format.PACKETS)
