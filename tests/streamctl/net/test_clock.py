from __future__ import annotations

import time

import anyio
import pytest

from streamctl.net.clock import LoopClock


@pytest.mark.anyio
async def test_now_goes_on_while_sleeping() -> None:
    clock = LoopClock()
    before = clock.now()
    await clock.sleep(0.01)
    assert clock.now() >= before + 0.009


@pytest.mark.anyio
async def test_wall_is_unix_time() -> None:
    before = time.time()
    assert before <= LoopClock().wall() <= time.time()


@pytest.mark.anyio
async def test_a_timer_runs_unless_cancelled() -> None:
    clock = LoopClock()
    done = anyio.Event()
    calls: list[str] = []
    clock.call_later(0, lambda: calls.append("dropped")).cancel()
    clock.call_later(0.001, done.set)
    await done.wait()
    assert calls == []
