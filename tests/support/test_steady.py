from __future__ import annotations

import time

import anyio
import pytest

from tests.support.steady import SteadyClock

pytestmark = pytest.mark.anyio


async def test_it_goes_by_itself() -> None:
    clock = SteadyClock()
    began = clock.now()
    called: list[float] = []
    clock.call_later(0.02, lambda: called.append(clock.now()))
    await clock.sleep(0.05)
    assert clock.now() >= began + 0.05
    assert called == [pytest.approx(began + 0.02)]


async def test_a_machine_that_stands_still_takes_no_time() -> None:
    clock = SteadyClock()
    began = clock.now()
    time.sleep(0.5)
    for _ in range(20):
        await anyio.sleep(0)
    assert began < clock.now() < began + 0.1
