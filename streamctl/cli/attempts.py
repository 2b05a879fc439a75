"""Says why attempts at a source failed, where no screen shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.cli import diagnostics

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from streamctl.engine.job import Job

FAILED = "input.failed"


class Attempts:
    """Implements :class:`streamctl.engine.job.Part`; a last attempt is the command's own error."""

    async def open(self, job: Job, tasks: TaskGroup) -> None:
        """Begin to listen."""
        tasks.start_soon(self._follow, job)

    async def finish(self) -> None:
        """Nothing is left to do."""

    async def _follow(self, job: Job) -> None:
        number = 0
        async for piece in job.stream.services.events.follow(0):
            for event in piece:
                if event.type != FAILED:
                    continue
                number += 1
                if job.failure is None:
                    wait_s = job.options.retry.wait_s
                    error = event.payload["error"]
                    diagnostics.warning(f"attempt {number}: {error}; the next in {wait_s:g} s")
