"""Runs a hook's command for each event, or from the begin of something to its end.

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
    from collections.abc import Callable

    from streamctl.config.model import CommandConfig
    from streamctl.engine.hookqueue import HookQueue
    from streamctl.engine.program import Ended
    from streamctl.schema import Event

DURING: dict[str, tuple[str, str, str]] = {
    "publish": ("session.opened", "session.closed", "publish"),
    "play": ("session.opened", "session.closed", "play"),
    "on_air": ("stream.on_air", "stream.off_air", ""),
}
"""Events that begin and end a run, and the action that they have to be of."""
TEST_S = 2.0
"""How long a command is tried that runs to the end of something."""

log = logging.getLogger("streamctl.hooks")


class Commands:
    """Implements :class:`streamctl.engine.hooks.Runner`."""

    def __init__(self, config: CommandConfig, queue: HookQueue) -> None:
        self.config = config
        self.queue = queue
        self.delivered = 0
        self.failed = 0
        """Runs that ended with another code than 0, or took too long."""
        self.error = ""
        self._scopes: dict[int, anyio.CancelScope] = {}
        """What ends each run, by the id of its event."""
        self._begun: dict[str, Event] = {}
        """Events whose end has not come yet, by what they are the begin of."""
        self._further = {name: text.get_secret_value() for name, text in config.environment.items()}
        self._vacancy = anyio.Event()

    @property
    def target(self) -> str:
        """The program."""
        return self.config.command[0]

    @property
    def running(self) -> int:
        """Runs under way."""
        return len(self._scopes)

    def hear(self, event: Event) -> None:
        """Take an event; one that ends a run does so at once."""
        if not self.config.during:
            self.queue.put(event)
            return
        begins, _, action = DURING[self.config.during]
        if action and event.payload.get("action") != action:
            return
        key = str(event.payload.get("session") or event.stream)
        if event.type == begins:
            self._begun[key] = event
            self.queue.put(event)
        elif (begun := self._begun.pop(key, None)) is not None:
            self.queue.remove(begun)
            if (scope := self._scopes.get(begun.id)) is not None:
                scope.cancel()

    async def run(self) -> None:
        """Run commands until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self.queue.filled()
                while len(self._scopes) >= self.config.max_runs:
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
        within = TEST_S if self.config.during else self.config.timeout_s
        with anyio.move_on_after(within):
            ended = await run(self.config.command, event, self._further)
            if ended.code:
                raise StreamctlError(str(ended))
            return str(ended)
        if self.config.during:
            return f"ran for {within:g} s and was ended"
        raise StreamctlError(f"took longer than {within:g} s")

    async def _run(self, event: Event) -> None:
        scope = self._scopes[event.id]
        try:
            with scope:
                self._ended(event, await self._within(event))
        except OSError as error:
            self._failed(event, f"can't be started: {(error.strerror or str(error)).lower()}")
        else:
            # Who ended with what it was to run during has done its work.
            self.delivered += scope.cancelled_caught
        finally:
            del self._scopes[event.id]
            self._vacancy.set()

    async def _within(self, event: Event) -> Ended | None:
        """How the command ended; None if it took too long."""
        if self.config.during:
            return await run(self.config.command, event, self._further)
        with anyio.move_on_after(self.config.timeout_s):
            return await run(self.config.command, event, self._further)
        return None

    def _ended(self, event: Event, ended: Ended | None) -> None:
        if ended is None:
            self._failed(event, f"took longer than {self.config.timeout_s:g} s")
        elif ended.code:
            self._failed(event, str(ended))
        else:
            self.delivered += 1
            self.error = ""
            log.debug("hook %s: %s: %s", self.config.name, event.type, ended)

    def _failed(self, event: Event, why: str) -> None:
        self.failed += 1
        self.error = f"{event.type}: {why}"
        log.warning("hook %s: %s", self.config.name, self.error)


def wanted(during: str) -> Callable[[str], bool]:
    """Whether a type of event begins or ends a run."""
    begins, ends, _ = DURING[during]
    return lambda name: name in {begins, ends}
