"""A thread for work that may block, such as on files; what it finds comes back to the loop.

Jobs run in order. Their number is bounded, so that a disk which stands still costs memory for that
many and no more. The thread is a daemon: one that hangs in a system call can't keep the process
from ending.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], Callable[[], None]]
    """Runs in the thread and returns what is to be called on the loop's thread."""

log = logging.getLogger(__name__)


class Worker:
    """One thread, started with the first job."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.pending = 0
        """Jobs that were taken and whose result has not come back."""
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> bool:
        """Run a job later; False, and nothing happens, if too many wait already."""
        if self._closing or self.pending >= self.limit:
            return False
        self._put(job)
        return True

    def close(self, last: Job | None = None) -> None:
        """Take no more jobs; the thread does those it has, then ``last``, and ends."""
        if self._closing:
            return
        if last is not None:
            self._put(last)
        self._closing = True
        with self._changed:
            self._changed.notify()

    def _put(self, job: Job) -> None:
        self.pending += 1
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(
                target=self._work, args=(loop,), name=self.name, daemon=True
            )
            self._thread.start()
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._closing:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            then: Callable[[], None] | None = None
            try:
                then = job()
            except Exception:
                log.exception("%s: a job failed", self.name)
            with suppress(RuntimeError):  # The loop was closed meanwhile.
                loop.call_soon_threadsafe(self._done, then)
            del job, then

    def _done(self, then: Callable[[], None] | None) -> None:
        self.pending -= 1
        if then is not None:
            then()
