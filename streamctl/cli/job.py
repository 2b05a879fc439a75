"""Runs a one-shot job beside a report that looks at it every second, until told to stop.

The first SIGINT or SIGTERM, like the end of ``--duration``, lets go of the source: destinations
take the rest and files are finished. The second one, or a rest that takes too long, ends it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.cli.diagnostics import Verbosity
from streamctl.log import logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from streamctl.engine.job import Job, JobStatus

REPORT_S = 1.0
STOP_S = 8.0
"""How long the rest may take: a destination that has just gone away is not waited for."""


class Report(Protocol):
    """Shows where a job stands."""

    def __call__(self, status: JobStatus, /) -> None:
        """Show the status; called every second, and at the end when something was sent."""


def run(make: Callable[[], Job], report: Report, *, duration_s: float = 0.0) -> None:
    """Run a job to its end, or for ``duration_s`` seconds.

    Raises:
        StreamctlError: the source or a destination failed.
        KeyboardInterrupt: a signal ended it.
    """
    level = "debug" if Verbosity.debug else "critical"
    with logging_to(level=level, style="text"):
        interrupted = anyio.run(run_beside, make, report, duration_s)
    if interrupted:
        raise KeyboardInterrupt


async def run_beside(make: Callable[[], Job], report: Report, duration_s: float) -> bool:
    """Run the job in the running loop; whether a signal ended it."""
    job = make()
    stopper = Stopper(job)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell, job, report, stopper)
        await tasks.start(stopper.obey_signals)
        if duration_s:
            tasks.start_soon(stopper.stop_after, duration_s)
        try:
            with stopper.scope:
                await job.run()
        finally:
            if job.pushes:
                report(job.status())
        tasks.cancel_scope.cancel()
    return stopper.interrupted


class Stopper:
    """Stops a job before its end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.scope = anyio.CancelScope()
        """Around the job; cancelled when it does not stop of its own."""
        self.interrupted = False
        self.stopping = False

    async def obey_signals(self, *, task_status: TaskStatus[None]) -> None:
        """Stop at the first SIGINT or SIGTERM, at once at the second."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                if self.interrupted:
                    self.scope.cancel()
                self.interrupted = True
                self.stop()

    async def stop_after(self, seconds: float) -> None:
        """Stop when the time is up."""
        await anyio.sleep(seconds)
        self.stop()

    def stop(self) -> None:
        """Let the job deal with what it has, for a while."""
        self.stopping = True
        self.scope.deadline = min(self.scope.deadline, anyio.current_time() + STOP_S)
        self.job.stop()


async def tell(job: Job, report: Report, stopper: Stopper) -> None:
    """Report every second, until the job is being taken apart."""
    while True:
        await anyio.sleep(REPORT_S)
        if stopper.stopping:
            return
        report(job.status())
