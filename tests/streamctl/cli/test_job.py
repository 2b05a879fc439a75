from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.cli import job
from streamctl.errors import MediaError
from tests.streamctl.cli.status_of_job import job_status
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from streamctl.engine.job import JobStatus

pytestmark = pytest.mark.anyio


class FakeJob:
    """A job that ends when it is told to."""

    def __init__(
        self, failure: Exception | None = None, *, pushes: int = 0, obedient: bool = True
    ) -> None:
        self.failure = failure
        self.obedient = obedient
        self.pushes = [None] * pushes
        self.end = anyio.Event()

    async def run(self) -> None:
        await self.end.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        if self.obedient:
            self.end.set()

    def status(self) -> JobStatus:
        return job_status()


async def run(fake: FakeJob, reports: list[JobStatus], duration_s: float = 0.0) -> bool:
    def report(status: JobStatus) -> None:
        reports.append(status)
        if len(reports) == 3:
            fake.end.set()

    with anyio.fail_after(PATIENCE_S):
        return await job.run_beside(lambda: fake, report, duration_s)  # type: ignore[arg-type, return-value]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "REPORT_S", 0.01)


async def test_reports_until_the_end() -> None:
    reports: list[JobStatus] = []
    assert not await run(FakeJob(), reports)
    assert len(reports) == 3


async def test_reports_once_more_when_something_was_sent() -> None:
    reports: list[JobStatus] = []
    with pytest.raises(ExceptionGroup) as caught:
        await run(FakeJob(MediaError("x"), pushes=1), reports)
    assert caught.group_contains(MediaError)
    assert len(reports) == 4


async def test_stops_after_its_time() -> None:
    assert not await run(FakeJob(), [], duration_s=0.001)


async def interrupt(fake: FakeJob, number: signal.Signals) -> bool:
    """Run until a signal; whether that is told."""
    ended: list[bool] = []

    async def running() -> None:
        ended.append(await run(fake, [], 0.0))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running)
        await anyio.wait_all_tasks_blocked()
        signal.raise_signal(number)
        if not fake.obedient:
            await anyio.wait_all_tasks_blocked()
            signal.raise_signal(number)
    return ended == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_in_order(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "REPORT_S", 60)
    fake = FakeJob()
    assert await interrupt(fake, number)
    assert fake.end.is_set()


async def test_a_second_signal_stops_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "REPORT_S", 60)
    fake = FakeJob(obedient=False)
    assert await interrupt(fake, signal.SIGINT)
    assert not fake.end.is_set()


async def test_what_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "REPORT_S", 60)
    monkeypatch.setattr(job, "STOP_S", 0.01)
    assert not await run(FakeJob(obedient=False), [], duration_s=0.001)
