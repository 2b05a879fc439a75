from __future__ import annotations

import anyio
import pytest

from streamctl.config.eventtypes import LOST
from streamctl.engine.events import HISTORY, EventLog, rfc3339
from streamctl.schema import Event
from streamctl.testing.clock import FakeClock


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(0.0025) == "1970-01-01T00:00:00.002Z"


def test_every_event_says_when_where_and_what() -> None:
    log = EventLog(FakeClock(wall=1_700_000_000.5))
    log.emit("stream.stopped", "news", reason="x")
    [event] = log.history
    assert event == Event(
        id=1_700_000_000_501,
        type="stream.stopped",
        stream="news",
        time="2023-11-14T22:13:20.500Z",
        payload={"reason": "x"},
    )


async def followed(log: EventLog, after: int | None, *, live: bool = True) -> list[Event]:
    return [event async for piece in log.follow(after, live=live) for event in piece]


@pytest.mark.anyio
async def test_a_follower_gets_history_then_what_happens() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.emit("two", "news", reason="x")
    seen: list[str] = []

    async def follow() -> None:
        seen.extend([event.type for event in await followed(log, log.before_first + 1)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        log.emit("three")
        await anyio.wait_all_tasks_blocked()
        log.close()
    assert seen == ["two", "three"]


@pytest.mark.anyio
async def test_without_an_id_a_follower_starts_now() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.close()
    assert await followed(log, None) == []


@pytest.mark.anyio
async def test_who_does_not_stay_gets_what_is_kept() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.emit("two")
    assert [event.type for event in await followed(log, 0, live=False)] == ["one", "two"]


@pytest.mark.anyio
async def test_a_slow_follower_loses_the_oldest_and_is_told_how_many() -> None:
    log = EventLog(FakeClock())
    first = log.before_first
    events = log.follow(first)
    log.emit("x")
    assert [event.id for event in await anext(aiter(events))] == [first + 1]
    for _ in range(HISTORY + 5):
        log.emit("x")
    assert len(log.history) == HISTORY
    log.close()
    lost, *kept = [event async for piece in events for event in piece]
    assert (lost.type, lost.payload, lost.id) == (LOST, {"count": 5}, first + 6)
    assert [event.id for event in kept] == [first + 7 + number for number in range(HISTORY)]


@pytest.mark.anyio
async def test_who_comes_back_late_is_told_what_is_gone() -> None:
    log = EventLog(FakeClock())
    for _ in range(HISTORY + 5):
        log.emit("x")
    found = await followed(log, log.before_first + 2, live=False)
    assert found[0].payload == {"count": 3}
    assert len(found) == HISTORY + 1


@pytest.mark.anyio
async def test_ids_increase_from_one_run_of_the_server_to_the_next() -> None:
    before = EventLog(FakeClock())
    for _ in range(100):
        before.emit("x")
    log = EventLog(FakeClock(wall=1_700_000_001))
    log.emit("one")
    log.emit("two")
    assert log.history[0].id > before.last_id
    found = await followed(log, before.last_id, live=False)
    assert [event.type for event in found] == ["one", "two"]


@pytest.mark.anyio
async def test_after_the_clock_was_set_back_all_is_told_that_is_kept() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    assert [event.type for event in await followed(log, log.last_id + 9, live=False)] == ["one"]


@pytest.mark.anyio
async def test_all_are_told_the_same_order() -> None:
    """Also those who are told at once, and those who read slowly."""
    log = EventLog(FakeClock())
    told: list[int] = []
    seen: list[list[int]] = [[], [], []]
    log.listen(lambda event: told.append(event.id))

    async def follow(number: int) -> None:
        async for piece in log.follow():
            seen[number] += [event.id for event in piece]
            for _ in range(number):
                await anyio.lowlevel.checkpoint()

    async def emit(code: str) -> None:
        for _ in range(100):
            log.emit("x", code)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(follow, number)
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as emitting:
            for code in "abc":
                emitting.start_soon(emit, code)
        log.close()
    assert told == sorted(told)
    assert seen == [told, told, told]


def test_who_can_not_be_told_harms_nobody() -> None:
    log = EventLog(FakeClock())
    told: list[str] = []

    def broken(event: Event) -> None:
        raise ValueError(event.type)

    log.listen(broken)
    log.listen(lambda event: told.append(event.type))
    log.emit("x")
    assert told == ["x"]
