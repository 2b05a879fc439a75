from __future__ import annotations

import anyio
import pytest

from streamctl.testing.clock import FakeClock


def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(now=5.0, wall=100.0)
    assert (clock.now(), clock.wall()) == (5.0, 100.0)
    clock.advance(2.5)
    assert (clock.now(), clock.wall()) == (7.5, 102.5)


def test_calls_run_in_order_each_at_its_own_time() -> None:
    clock = FakeClock(now=0.0)
    ran: list[tuple[str, float]] = []

    def note(name: str) -> None:
        ran.append((name, clock.now()))

    clock.call_later(2.0, lambda: note("late"))
    clock.call_later(1.0, lambda: note("early"))
    clock.call_later(1.0, lambda: note("second"))
    clock.advance(0.5)
    assert ran == []
    clock.advance(10.0)
    assert ran == [("early", 1.0), ("second", 1.0), ("late", 2.0)]
    assert clock.now() == 10.5


def test_a_call_may_ask_for_the_next_one() -> None:
    clock = FakeClock(now=0.0)
    ran: list[float] = []

    def again() -> None:
        ran.append(clock.now())
        clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    clock.advance(3.5)
    assert ran == [1.0, 2.0, 3.0]


def test_cancelled_calls_do_not_run() -> None:
    clock = FakeClock()
    ran: list[int] = []
    timer = clock.call_later(1.0, lambda: ran.append(1))
    done = clock.call_later(0.5, lambda: ran.append(2))
    timer.cancel()
    timer.cancel()
    clock.advance(2.0)
    done.cancel()
    assert ran == [2]


@pytest.mark.anyio
async def test_sleepers_wake_when_their_time_has_come() -> None:
    clock = FakeClock()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep, 2.0)
        tasks.start_soon(sleep, 1.0)
        await anyio.wait_all_tasks_blocked()
        clock.advance(1.0)
        await anyio.wait_all_tasks_blocked()
        assert woken == [1.0]
        clock.advance(1.0)
    assert woken == [1.0, 2.0]
