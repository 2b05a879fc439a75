from __future__ import annotations

import anyio
import pytest

from streamctl.engine.events import HISTORY, EventLog, rfc3339
from streamctl.testing.clock import FakeClock


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(0.0025) == "1970-01-01T00:00:00.002Z"


@pytest.mark.anyio
async def test_a_follower_gets_history_then_what_happens() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.emit("two", "news", reason="x")
    seen: list[tuple[int, str]] = []

    async def follow() -> None:
        seen.extend([(event.id, event.type) async for event in log.follow(1)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        log.emit("three")
        await anyio.wait_all_tasks_blocked()
        log.close()
    assert seen == [(2, "two"), (3, "three")]


@pytest.mark.anyio
async def test_without_an_id_a_follower_starts_now() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.close()
    assert [event async for event in log.follow()] == []


def test_history_is_bounded_and_ids_show_the_gap() -> None:
    log = EventLog(FakeClock())
    for _ in range(HISTORY + 5):
        log.emit("x")
    assert len(log.history) == HISTORY
    assert log.history[0].id == 6


@pytest.mark.anyio
async def test_who_followed_an_earlier_run_of_the_server_is_told_all() -> None:
    log = EventLog(FakeClock())
    log.emit("one")
    log.emit("two")
    log.close()
    assert [event.id async for event in log.follow(5000)] == [1, 2]
