"""Runs a hook's command for each event.

Commands are started in the order of the events, some of them at the same time. One that fails is
counted and not run again: it may have done half of its work.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from streamctl.engine.program import run
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from streamctl.config.model import CommandConfig
    from streamctl.engine.hookqueue import HookQueue
    from streamctl.schema import Event

QUIET = 10
"""Of failures in a row the first is told in the log, and then each tenth."""

log = logging.getLogger("streamctl.hooks")


class Commands:
    """Implements :class:`streamctl.engine.hooks.Runner`."""

    stuck = False
    """One that fails delays no other."""
    crowded = logging.DEBUG
    """How much it matters that programs wait for others to end."""

    def __init__(self, config: CommandConfig, queue: HookQueue) -> None:
        self.config = config
        self.queue = queue
        self.delivered = 0
        self.failed = 0
        """Runs that ended with another code than 0, or took too long, or not long enough."""
        self.error = ""
        self.further = {name: text.get_secret_value() for name, text in config.environment.items()}
        """Variables of the program beside those of the event."""
        self._in_row = 0
        self._scopes: dict[int, anyio.CancelScope] = {}
        """What ends each run, by the id of its event."""
        self._vacancy = anyio.Event()

    @property
    def target(self) -> str:
        """The program."""
        return self.config.command[0]

    @property
    def running(self) -> int:
        """Runs under way."""
        return len(self._scopes)

    @property
    def waiting(self) -> int:
        """Events whose run has not begun yet."""
        return len(self.queue)

    def hear(self, event: Event) -> None:
        """Take an event to run the command for."""
        self.queue.put(event)

    def hurry(self) -> None:
        """Nothing is held back."""

    def end(self, event: Event) -> None:
        """End the run for an event, if there is one."""
        if (scope := self._scopes.get(event.id)) is not None:
            scope.cancel()

    async def run(self) -> None:
        """Run commands until cancelled."""
        async with anyio.create_task_group() as tasks:
            full = False
            while True:
                full = full and len(self.queue) > 0
                await self.queue.filled()
                while len(self._scopes) >= self.config.max_runs:
                    if not full:
                        self._tell_full()
                    full = True
                    self._vacancy = anyio.Event()
                    await self._vacancy.wait()
                for event in self.queue.take(1):
                    self._scopes[event.id] = anyio.CancelScope()
                    tasks.start_soon(self._run, event)

    async def test(self, event: Event) -> str:
        """Run the command once; how it went, in words.

        Raises:
            StreamctlError: it did not work.
        """
        return await self._once(event)

    async def work(self, event: Event) -> None:
        """Do what is to be done for an event.

        Raises:
            StreamctlError: it did not work.
        """
        said = await self._once(event)
        self.delivered += 1
        self.went_well()
        log.debug("hook %s: %s: %s", self.config.name, event.type, said)

    def went_well(self) -> None:
        """What was wrong is over."""
        self.error, self._in_row = "", 0

    def went_wrong(self, event: Event, why: str) -> None:
        """Count a failure, and tell it."""
        self.failed += 1
        self.error = f"{event.type}: {why}"
        level = logging.DEBUG if self._in_row % QUIET else logging.WARNING
        self._in_row += 1
        log.log(level, "hook %s: %s (%d in a row)", self.config.name, self.error, self._in_row)

    def _tell_full(self) -> None:
        name, most = self.config.name, self.config.max_runs
        log.log(self.crowded, "hook %s: max_runs = %d programs run, others wait", name, most)

    async def _once(self, event: Event) -> str:
        """How a run went that went well, in words.

        Raises:
            StreamctlError: it did not.
        """
        within = self.config.timeout_s
        with anyio.move_on_after(within):
            ended = await run(self.config.command, event, self.further)
            if ended.code:
                raise StreamctlError(str(ended))
            return str(ended)
        raise StreamctlError(f"took longer than {within:g} s")

    async def _run(self, event: Event) -> None:
        scope = self._scopes[event.id]
        try:
            with scope:
                await self.work(event)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self.went_wrong(event, f"can't be started: {why}")
        except Exception as error:
            if not isinstance(error, StreamctlError):
                log.exception("hook %s failed", self.config.name)
            self.went_wrong(event, str(error))
        else:
            # Who ended with what it was to run during has done its work.
            self.delivered += scope.cancelled_caught
        finally:
            del self._scopes[event.id]
            self._vacancy.set()
