from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.net.worker import Worker
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def drained(worker: Worker) -> None:
    """Return once every job has come back."""
    with anyio.fail_after(PATIENCE_S):
        while worker.pending:
            await anyio.sleep(0.001)


async def test_jobs_run_in_order_in_a_thread_and_report_on_the_loop() -> None:
    worker, ran, told = Worker("disk", 10), list[str](), list[str]()

    def job(number: int) -> Callable[[], Callable[[], None]]:
        def run() -> Callable[[], None]:
            ran.append(threading.current_thread().name)
            return lambda: told.append(f"{number} {threading.current_thread().name}")

        return run

    for number in range(3):
        assert worker.submit(job(number))
    await drained(worker)
    assert ran == ["disk"] * 3
    assert told == [f"{number} MainThread" for number in range(3)]
    worker.close()


async def test_no_more_jobs_wait_than_allowed() -> None:
    worker, go = Worker("disk", 2), threading.Event()

    def slow() -> Callable[[], None]:
        go.wait(PATIENCE_S)
        return lambda: None

    assert worker.submit(slow)
    assert worker.submit(slow)
    assert not worker.submit(slow)
    go.set()
    await drained(worker)
    assert worker.submit(slow)
    await drained(worker)
    worker.close()


async def test_a_job_that_fails_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    worker, done = Worker("disk", 5), list[int]()

    def broken() -> Callable[[], None]:
        raise ValueError("planted")

    worker.submit(broken)
    worker.submit(lambda: lambda: done.append(1))
    await drained(worker)
    assert done == [1]
    assert "planted" in caplog.text
    worker.close()


async def test_closing_finishes_what_was_taken_and_a_last_job() -> None:
    worker, done = Worker("disk", 5), list[str]()
    worker.submit(lambda: lambda: done.append("first"))
    worker.close(lambda: lambda: done.append("last"))
    worker.close(lambda: lambda: done.append("never"))
    assert not worker.submit(lambda: lambda: done.append("never"))
    await drained(worker)
    assert done == ["first", "last"]


async def test_closing_an_idle_worker_starts_no_thread() -> None:
    before = threading.active_count()
    Worker("disk", 5).close()
    assert threading.active_count() == before
