"""Runs a hook's command from the begin of something to its end.

One that ends before its time is started again, after longer and longer pauses. Of a stream there
is one at a time: what goes on air again waits until the program of the time before has ended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from streamctl.engine.commands import Commands
from streamctl.engine.courier import PAUSES_S
from streamctl.engine.program import run
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.config.model import CommandConfig
    from streamctl.engine.hookqueue import HookQueue
    from streamctl.schema import Event
    from streamctl.sdk.context import Clock

DURING: dict[str, tuple[str, str, str]] = {
    "publish": ("session.opened", "session.closed", "publish"),
    "play": ("session.opened", "session.closed", "play"),
    "on_air": ("stream.on_air", "stream.off_air", ""),
}
"""Events that begin and end a run, and the action that they have to be of."""
STEADY_S = 30.0
"""A program that ran for so long works; the next pause is the first one again."""
TEST_S = 2.0
"""How long a program is tried."""


class Begun:
    """What has begun and not ended yet, for hooks that are added or changed meanwhile."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Event]] = {during: {} for during in DURING}

    def hear(self, event: Event) -> None:
        """Take what happens."""
        for during, (begins, ends, action) in DURING.items():
            if event.type not in {begins, ends}:
                continue
            if action and event.payload.get("action") != action:
                continue
            if event.type == begins:
                self._open[during][key(event)] = event
            else:
                self._open[during].pop(key(event), None)

    def of(self, during: str) -> Iterable[Event]:
        """The events with which it began."""
        return list(self._open[during].values())

    def sessions(self, code: str) -> bool:
        """Whether a publisher or viewer of a stream is still there."""
        there = (one for during in ("publish", "play") for one in self._open[during].values())
        return any(one.stream == code for one in there)


class Lasting(Commands):
    """Implements :class:`streamctl.engine.hooks.Runner`."""

    crowded = logging.WARNING
    """Nobody knows when one will end."""

    def __init__(self, config: CommandConfig, queue: HookQueue, clock: Clock) -> None:
        super().__init__(config, queue)
        self.clock = clock
        self._begun: dict[str, Event] = {}
        """Events whose end has not come yet, by what they are the begin of."""
        self._last: dict[str, anyio.Event] = {}
        """What is set when the newest run for something has ended."""

    def hear(self, event: Event) -> None:
        """Take an event; one that ends a run does so at once."""
        begins, _, action = DURING[self.config.during]
        if action and event.payload.get("action") != action:
            return
        if event.type == begins:
            self._begun[key(event)] = event
            self.queue.put(event)
        elif (begun := self._begun.pop(key(event), None)) is not None:
            self.queue.remove(begun)
            self.end(begun)

    async def test(self, event: Event) -> str:
        """Run the program for a moment; how it went, in words.

        Raises:
            StreamctlError: it did not work.
        """
        with anyio.move_on_after(TEST_S):
            ended = await run(self.config.command, event, self.further)
            raise StreamctlError(f"ended before its time: {ended}")
        return f"ran for {TEST_S:g} s and was ended"

    async def work(self, event: Event) -> None:
        """Have the program run until cancelled."""
        mine, before = anyio.Event(), self._last.get(key(event))
        self._last[key(event)] = mine
        try:
            if before is not None:
                await before.wait()
            await self._keep_running(event)
        finally:
            mine.set()
            if self._last[key(event)] is mine:
                del self._last[key(event)]

    async def _keep_running(self, event: Event) -> None:
        in_row = 0
        while True:
            begun = self.clock.now()
            steady = self.clock.call_later(STEADY_S, self.went_well)
            try:
                ended = await run(self.config.command, event, self.further)
            finally:
                steady.cancel()
            in_row = 1 if self.clock.now() - begun >= STEADY_S else in_row + 1
            self.went_wrong(event, f"ended before its time: {ended}")
            await self.clock.sleep(PAUSES_S[min(in_row, len(PAUSES_S)) - 1])


def key(event: Event) -> str:
    """What begins or ends with an event."""
    return str(event.payload.get("session") or event.stream)
