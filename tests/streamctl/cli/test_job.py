from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.cli import job
from streamctl.errors import MediaError
from tests.streamctl.cli.status_of_job import job_status

if TYPE_CHECKING:
    from streamctl.engine.job import JobStatus

pytestmark = pytest.mark.anyio


class FakeJob:
    """A job that ends when it is told to."""

    def __init__(self, failure: Exception | None = None, *, pushes: int = 0) -> None:
        self.failure = failure
        self.pushes = [None] * pushes
        self.end = anyio.Event()

    async def run(self) -> None:
        await self.end.wait()
        if self.failure is not None:
            raise self.failure

    def status(self) -> JobStatus:
        return job_status()


async def run(fake: FakeJob, reports: list[JobStatus], duration_s: float = 0.0) -> bool:
    def report(status: JobStatus) -> None:
        reports.append(status)
        if len(reports) == 3:
            fake.end.set()

    with anyio.fail_after(5):
        return await job.run_beside(lambda: fake, report, duration_s)  # type: ignore[arg-type, return-value]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "REPORT_S", 0.01)


async def test_reports_until_the_end() -> None:
    reports: list[JobStatus] = []
    assert await run(FakeJob(), reports)
    assert len(reports) == 3


async def test_reports_once_more_when_something_was_sent() -> None:
    reports: list[JobStatus] = []
    with pytest.raises(ExceptionGroup) as caught:
        await run(FakeJob(MediaError("x"), pushes=1), reports)
    assert caught.group_contains(MediaError)
    assert len(reports) == 4


async def test_stops_after_its_time() -> None:
    assert not await run(FakeJob(), [], duration_s=0.001)
