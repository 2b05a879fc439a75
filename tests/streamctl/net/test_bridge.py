from __future__ import annotations

import asyncio
import threading
import time

import anyio
import pytest

from streamctl.net.bridge import FEW, TURN_S, Bridge, ended
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_what_collects_comes_in_one_turn_and_in_order() -> None:
    calls: list[list[int]] = []
    bridge = Bridge(calls.append)

    def bring() -> None:
        for number in range(50):
            bridge.put([number, number])

    thread = threading.Thread(target=bring)
    thread.start()
    thread.join()
    assert bridge.waiting == 100
    await anyio.sleep(0)
    await anyio.sleep(0)
    assert [n for call in calls for n in call] == [n for n in range(50) for _ in range(2)]
    assert bridge.waiting == 0


async def test_what_comes_is_taken_where_the_bridge_was_made() -> None:
    scopes: list[anyio.CancelScope] = []
    bridge = Bridge[int](lambda things: scopes.append(anyio.CancelScope()))
    thread = threading.Thread(target=bridge.put, args=([1, 2],))
    thread.start()
    thread.join()
    await anyio.sleep(0)
    await anyio.sleep(0)
    assert len(scopes) == 1


async def test_nothing_wakes_nobody() -> None:
    calls: list[list[int]] = []
    Bridge(calls.append).put([])
    await anyio.sleep(0)
    assert calls == []


async def test_it_is_called_again_for_what_comes_later() -> None:
    taken: list[int] = []
    done = anyio.Event()

    def take(things: list[int]) -> None:
        assert threading.current_thread() is threading.main_thread()
        taken.extend(things)
        if len(taken) == 1000:
            done.set()

    bridge = Bridge(take)

    def bring() -> None:
        for number in range(250):
            bridge.put([number])

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    with anyio.fail_after(PATIENCE_S):
        await done.wait()
    for thread in threads:
        thread.join()
    assert sum(taken) == 4 * sum(range(250))


async def test_what_takes_long_leaves_turns_to_others() -> None:
    taken: list[int] = []
    turns: list[int] = []

    def take(things: list[int]) -> None:
        taken.extend(things)
        end = time.perf_counter() + TURN_S
        while time.perf_counter() <= end:
            pass

    bridge = Bridge(take)
    bridge.put(range(3 * FEW))
    while bridge.waiting or not taken:
        await anyio.sleep(0)
        turns.append(len(taken))
        if len(taken) == FEW:
            bridge.put([99])
    assert taken == [*range(3 * FEW), 99]
    assert {FEW, 2 * FEW, 3 * FEW} <= set(turns)


async def test_a_failure_loses_nothing_but_what_it_was_handed() -> None:
    taken: list[int] = []
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: failures.append(said))

    def take(things: list[int]) -> None:
        if 0 in things:
            raise ZeroDivisionError("a bug")
        taken.extend(things)

    bridge = Bridge(take)
    bridge.put(range(2 * FEW))
    for _ in range(4):
        await anyio.sleep(0)
    assert taken == [*range(FEW, 2 * FEW)]
    assert len(failures) == 1


async def test_a_thread_is_waited_for_without_blocking() -> None:
    proceed = threading.Event()
    thread = threading.Thread(target=proceed.wait)
    thread.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, thread)
        await anyio.sleep(0)
        assert thread.is_alive()
        proceed.set()
    assert not thread.is_alive()


def test_a_loop_that_is_closed_is_no_error() -> None:
    async def make() -> Bridge[int]:
        return Bridge(lambda things: None)

    bridge = asyncio.run(make())
    bridge.put([1])


async def test_one_call_is_pending_however_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamctl.net.bridge.TURN_S", -1)
    pending = 0
    taken = 0

    def take(things: list[int]) -> None:
        nonlocal taken
        taken += len(things)
        # More comes while the loop is at it, as from a thread.
        if taken < 40 * FEW:
            bridge.put(range(FEW))

    bridge = Bridge(take)
    bridge.put(range(3 * FEW))
    turns = 0
    while bridge.waiting:
        before = taken
        await anyio.sleep(0)
        turns += 1
        pending = max(pending, (taken - before) // FEW)
    assert taken >= 40 * FEW
    assert pending == 1
    assert turns >= 40
