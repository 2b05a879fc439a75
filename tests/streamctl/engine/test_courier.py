from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.courier import PAUSES_S, Courier, TooLarge
from streamctl.engine.hookqueue import HookQueue
from streamctl.errors import ConnectionFailed, StreamctlError
from streamctl.schema import Event
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.anyio


class Receiver:
    """Takes deliveries, or does not."""

    target = "somewhere"

    def __init__(self) -> None:
        self.batch = 3
        self.batch_s = 0.0
        self.error: Exception | None = None
        self.attempts: list[list[int]] = []
        self.told: list[int] = []
        self.room = 99
        """Events that are taken at once."""
        self.too_large = -1
        """One that is never taken."""
        self.open = anyio.Event()
        self.open.set()

    async def deliver(self, events: Sequence[Event]) -> str:
        self.attempts.append([event.id for event in events])
        await self.open.wait()
        if self.error is not None:
            raise self.error
        if len(events) > self.room or self.too_large in [event.id for event in events]:
            raise TooLarge("answers 413")
        self.told += [event.id for event in events]
        return "fine"


class World:
    def __init__(self, limit: int = 10, batch: int = 3) -> None:
        self.clock = FakeClock()
        self.receiver = Receiver()
        self.receiver.batch = batch
        self.courier = Courier("alarm", self.receiver, HookQueue(limit), self.clock)
        self.last = 0

    async def happen(self, count: int = 1) -> None:
        for _ in range(count):
            self.last += 1
            self.courier.hear(Event(id=self.last, type="x", time=""))
        await anyio.wait_all_tasks_blocked()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.courier.run)
        await anyio.wait_all_tasks_blocked()
        yield
        tasks.cancel_scope.cancel()


async def test_what_happens_is_delivered_at_once() -> None:
    world = World()
    async with working(world):
        await world.happen()
        await world.happen()
        assert world.receiver.attempts == [[1], [2]]
    assert world.courier.delivered == 2


async def test_what_happens_meanwhile_is_delivered_together() -> None:
    world = World()
    world.receiver.open = anyio.Event()
    async with working(world):
        await world.happen()
        await world.happen(5)
        assert (world.courier.running, world.courier.waiting) == (1, 6)
        world.receiver.open.set()
        await anyio.wait_all_tasks_blocked()
        assert world.receiver.attempts == [[1], [2, 3, 4], [5, 6]]


@pytest.mark.parametrize(("count", "seconds"), [(2, 5.0), (3, 0.0)])
async def test_events_are_gathered_for_some_time_or_until_there_are_enough(
    count: int, seconds: float
) -> None:
    world = World()
    world.receiver.batch_s = 5
    async with working(world):
        await world.happen(count)
        if seconds:
            await world.pass_time(seconds - 0.1)
            assert world.receiver.attempts == []
            await world.pass_time(0.2)
        assert world.receiver.attempts == [[1, 2, 3][:count]]


async def test_who_hurries_gathers_no_more() -> None:
    world = World()
    world.receiver.batch_s = 60
    async with working(world):
        await world.happen()
        assert world.receiver.told == []
        world.courier.hurry()
        await anyio.wait_all_tasks_blocked()
        assert world.receiver.told == [1]
        await world.happen()
        assert world.receiver.told == [1, 2]


async def test_what_fails_is_tried_again_later_and_later_and_in_order() -> None:
    world = World()
    world.receiver.error = ConnectionFailed("refused", hint="is it up?")
    async with working(world):
        await world.happen(2)
        assert world.courier.error == "refused (is it up?)"
        for number, pause_s in enumerate((*PAUSES_S, PAUSES_S[-1]), 1):
            assert len(world.receiver.attempts) == world.courier.failed == number
            await world.pass_time(pause_s - 0.1)
            assert len(world.receiver.attempts) == number
            await world.pass_time(0.1)
        await world.happen(2)
        world.receiver.error = None
        await world.pass_time(PAUSES_S[-1])
        assert world.receiver.told == [1, 2, 3, 4]
        assert world.courier.error == ""
        await world.happen()
        assert world.receiver.told == [1, 2, 3, 4, 5]
    assert world.courier.delivered == 5


async def test_while_nobody_answers_the_oldest_are_lost() -> None:
    world = World(limit=4)
    world.receiver.error = StreamctlError("no")
    async with working(world):
        await world.happen()
        await world.happen(6)
        world.receiver.error = None
        await world.pass_time(1)
        assert world.receiver.told == [4, 5, 6, 7]
        assert world.courier.queue.dropped == 3


async def test_what_is_too_much_at_once_is_told_in_pieces() -> None:
    world = World(batch=8)
    world.receiver.room = 2
    world.receiver.batch_s = 60
    async with working(world):
        await world.happen(8)
        sizes = [len(attempt) for attempt in world.receiver.attempts]
        assert sizes == [8, 4, 2, 3, 1, 2, 3, 1, 2]
        await world.pass_time(60)
    assert world.receiver.told == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (world.courier.delivered, world.courier.failed, world.courier.queue.dropped) == (8, 0, 0)


async def test_what_is_too_large_alone_is_lost_and_holds_up_nothing() -> None:
    world = World()
    world.receiver.too_large = 2
    async with working(world):
        world.receiver.open = anyio.Event()
        await world.happen()
        await world.happen(4)
        world.receiver.open.set()
        await anyio.wait_all_tasks_blocked()
        assert world.receiver.told == [1, 3, 4, 5]
    assert (world.courier.delivered, world.courier.queue.dropped) == (4, 1)
    assert world.courier.error == ""


async def test_a_bug_is_a_failure_like_others() -> None:
    world = World()
    world.receiver.error = KeyError("x")
    async with working(world):
        await world.happen()
        assert world.courier.error == "KeyError: 'x'"
        world.receiver.error = None
        await world.pass_time(1)
        assert world.receiver.told == [1]


async def test_who_is_stopped_leaves_what_was_not_delivered() -> None:
    world = World()
    world.receiver.open = anyio.Event()
    async with working(world):
        await world.happen(5)
    assert [event.id for event in world.courier.queue.take(9)] == [1, 2, 3, 4, 5]


async def test_a_test_goes_past_the_queue() -> None:
    world = World()
    assert await world.courier.test(Event(id=0, type="hook.test", time="")) == "fine"
    world.receiver.error = StreamctlError("no")
    with pytest.raises(StreamctlError, match="no"):
        await world.courier.test(Event(id=0, type="hook.test", time=""))
    assert world.courier.delivered == world.courier.failed == 0
