from __future__ import annotations

import anyio
import pytest

from streamctl.engine.hookqueue import HookQueue
from streamctl.schema import Event


def event(number: int) -> Event:
    return Event(id=number, type="x", time="")


def filled(*numbers: int, limit: int = 4) -> HookQueue:
    queue = HookQueue(limit)
    for number in numbers:
        queue.put(event(number))
    return queue


def ids(queue: HookQueue) -> list[int]:
    return [one.id for one in queue.take(99)]


def test_what_was_first_is_taken_first() -> None:
    queue = filled(1, 2, 3)
    assert [one.id for one in queue.take(2)] == [1, 2]
    assert ids(queue) == [3]


def test_of_a_full_queue_the_oldest_is_lost_and_counted() -> None:
    queue = filled(1, 2, 3, 4, 5, 6)
    assert queue.dropped == 2
    assert ids(queue) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("further", "kept", "dropped"),
    [((), [1, 2, 3], 0), ((4,), [1, 2, 3, 4], 0), ((4, 5, 6), [3, 4, 5, 6], 2)],
)
def test_what_could_not_be_told_comes_back_in_order(
    further: tuple[int, ...], kept: list[int], dropped: int
) -> None:
    queue = filled(1, 2, 3)
    batch = queue.take(3)
    for number in further:
        queue.put(event(number))
    queue.put_back(batch)
    assert queue.dropped == dropped
    assert ids(queue) == kept


def test_an_event_can_be_forgotten() -> None:
    queue = filled(1, 2)
    assert queue.remove(event(1))
    assert not queue.remove(event(1))
    assert ids(queue) == [2]


@pytest.mark.anyio
async def test_it_can_be_waited_for() -> None:
    queue = filled()
    seen: list[int] = []

    async def wait(count: int) -> None:
        await queue.filled(count)
        seen.append(count)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, 1)
        tasks.start_soon(wait, 2)
        for number in (1, 2):
            await anyio.wait_all_tasks_blocked()
            assert seen == list(range(1, number))
            queue.put(event(number))
