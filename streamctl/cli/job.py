"""Runs a one-shot job beside a report that looks at it every second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.cli.diagnostics import Verbosity
from streamctl.log import logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.engine.job import Job, JobStatus

REPORT_S = 1.0


class Report(Protocol):
    """Shows where a job stands."""

    def __call__(self, status: JobStatus, /) -> None:
        """Show the status; called every second, and at the end when something was sent."""


def run(make: Callable[[], Job], report: Report, *, duration_s: float = 0.0) -> bool:
    """Run a job to its end, or for ``duration_s`` seconds; whether it came to its end.

    Raises:
        StreamctlError: the source or a destination failed.
    """
    level = "debug" if Verbosity.debug else "critical"
    with logging_to(level=level, style="text"):
        return anyio.run(run_beside, make, report, duration_s)


async def run_beside(make: Callable[[], Job], report: Report, duration_s: float) -> bool:
    """Run the job in the running loop."""
    job = make()
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell, job, report, scope)
        try:
            with scope:
                scope.deadline = anyio.current_time() + (duration_s or math.inf)
                await job.run()
        finally:
            if job.pushes:
                report(job.status())
        tasks.cancel_scope.cancel()
    return not scope.cancelled_caught


async def tell(job: Job, report: Report, scope: anyio.CancelScope) -> None:
    """Report every second, until the job's time is up and it is being taken apart."""
    while True:
        await anyio.sleep(REPORT_S)
        if scope.cancel_called:
            return
        report(job.status())
