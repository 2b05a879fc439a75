"""Hands what threads bring over to the loop: one call there for all that has collected.

Waking a loop costs more than most of what it is woken for, so a thread that brings something while
a call is pending only adds to it. Where that has become much, as after a loop was held up, others
have their turns in between.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Thing = TypeVar("Thing")
TURN_S = 0.005
"""After this the rest waits for the next turn of the loop."""
FEW = 4
"""Things that are handed over without a look at the clock."""
LOOK_S = 0.002
"""How often a thread that is to end is looked at: joining it would block the loop."""


class Bridge(Generic[Thing]):
    """A way from any thread to the loop that was running when it was made."""

    def __init__(self, deliver: Callable[[list[Thing]], None]) -> None:
        """``deliver`` is called in the loop with what was put since, in order, some at a time."""
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        # A thread's own context does not know that a loop runs, which libraries go by.
        self._context = copy_context()
        self._lock = threading.Lock()
        self._waiting: list[Thing] = []
        self._called = False
        """A call is pending, or under way."""

    @property
    def waiting(self) -> int:
        """Things that the loop has not taken yet."""
        return len(self._waiting)

    def put(self, things: Iterable[Thing]) -> None:
        """Bring things, from any thread; they are lost when the loop is closed."""
        with self._lock:
            self._waiting.extend(things)
            if self._called or not self._waiting:
                return
            self._called = True
        with suppress(RuntimeError):  # The loop was closed meanwhile.
            self._loop.call_soon_threadsafe(self._take, context=self._context)

    def _take(self) -> None:
        with self._lock:
            things, self._waiting = self._waiting, []
        end, done = time.monotonic() + TURN_S, 0
        try:
            while done < len(things):
                few = things[done : done + FEW]
                done += FEW
                self._deliver(few)
                if time.monotonic() > end:  # A loop's own time may stand still in a turn.
                    break
        finally:
            with self._lock:
                self._waiting[:0] = things[done:]
                again = self._called = bool(self._waiting)
            if again:
                self._loop.call_soon(self._take, context=self._context)


async def ended(thread: threading.Thread) -> None:
    """Return when a thread has ended."""
    while thread.is_alive():  # noqa: ASYNC110 (a thread has no event to wait for)
        await asyncio.sleep(LOOK_S)
