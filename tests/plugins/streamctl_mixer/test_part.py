from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import NotFound, StreamctlError
from streamctl.testing.clock import FakeClock
from streamctl_mixer.part import SILENCE_S, Part, within
from tests.streamctl.engine.rig import SOUND, VIDEO, gop
from tests.support.within import Within, settled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio


async def failure(of: Callable[[], Awaitable[object]], then: Callable[[], None]) -> str:
    """What is raised by something that waits, once something happens."""
    told: list[str] = []

    async def run() -> None:
        try:
            await of()
        except StreamctlError as error:
            told.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await settled()
        assert told == []
        then()
    return told[0]


async def test_is_opened_at_a_random_access_point_and_wanted_until_it_is_closed() -> None:
    world = Within()
    stream = world.rig.stream()
    part = Part("news", world.context)
    _, writer, _ = world.rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), 1000.0)
    for _ in range(2):
        assert (await part.open()).tracks == (VIDEO, SOUND)
        assert stream.demand.readers == 1
        assert len(part.take()) == 50
    part.join()
    assert len(part.take()) == 50
    part.close()
    part.close()
    assert stream.demand.readers == 0


async def test_what_goes_wrong_is_told_with_its_name() -> None:
    world = Within()
    part = Part("news", world.context)
    with pytest.raises(NotFound, match="`news`"):
        await part.open()
    stream = world.rig.stream()
    _, writer, _ = world.rig.publisher(stream)
    writer.tracks([VIDEO])
    writer.put(gop(0, sound=False), 1000.0)
    await part.open()
    part.take()
    silent = await failure(part.more, lambda: world.rig.clock.advance(SILENCE_S))
    assert silent == "stream `news` brings nothing"
    stopped = await failure(part.more, lambda: stream.close("enough"))
    assert stopped == "stream `news` was stopped"
    with pytest.raises(StreamctlError, match="`news` was stopped"):
        part.join()
    part.close()


async def test_a_wait_that_is_over_in_time_costs_nothing() -> None:
    clock = FakeClock()
    with within(clock, 1.0):
        await settled()
    clock.advance(5)

    async def late() -> None:
        with within(clock, 1.0):
            clock.advance(1)
            await anyio.sleep_forever()

    with pytest.raises(TimeoutError):
        await late()
