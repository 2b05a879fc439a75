"""What happened, in one order: a bounded history, followers, and those who are told at once.

There is one queue for the server, and with it one for each stream: an event is emitted in the turn
of the loop in which the state changed, so the order of events is the order of changes, for
everybody. A follower is a position in the history. One that is too slow for it goes on with the
oldest event that is kept, and is told how many it has lost; nobody waits for it.

Ids begin with the time of the start in milliseconds, so that they also increase from one run of
the server to the next.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from streamctl.config.eventtypes import LOST
from streamctl.schema import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.sdk.context import Clock

HISTORY = 4096
"""Events kept for followers that are slow or reconnect; a few megabytes."""
PIECE = 128
"""Events handed to a follower before it is looked again what it has lost meanwhile."""

log = logging.getLogger("streamctl.events")


def rfc3339(unix_time: float) -> str:
    """A Unix time as RFC 3339 in UTC, with milliseconds."""
    stamp = datetime.fromtimestamp(unix_time, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


class EventLog:
    """The one ordered queue of events."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.history: deque[Event] = deque(maxlen=HISTORY)
        self.before_first = int(clock.wall() * 1000)
        """The id before the first one of this run."""
        self.last_id = self.before_first
        self.closed = False
        self._listeners: list[Callable[[Event], None]] = []
        self._more: anyio.Event | None = None
        """Set when something happens; None while nobody waits for that."""

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with every event as it happens; it must be quick."""
        self._listeners.append(listener)

    def emit(self, kind: str, stream: str = "", **payload: object) -> None:
        """Append an event and tell everybody."""
        self.last_id += 1
        event = self.made(kind, stream, self.last_id, payload)
        self.history.append(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("an event could not be told: %s", kind)
        self._wake()

    def made(self, kind: str, stream: str, number: int, payload: dict[str, object]) -> Event:
        """An event of this moment, which nobody is told."""
        time = rfc3339(self.clock.wall())
        return Event(id=number, type=kind, stream=stream, time=time, payload=payload)

    def close(self) -> None:
        """End every follower."""
        self.closed = True
        self._wake()

    async def follow(
        self, after: int | None = None, *, live: bool = True
    ) -> AsyncIterator[list[Event]]:
        """Events with a higher id than ``after`` (None = from now on), in pieces, without end.

        Unless ``live``, they end with the newest that is kept. Where some were lost, an event
        says how many; its id is that of the last one of them.
        """
        seen = self.last_id if after is None else self._position(after)
        while True:
            if piece := self._piece(seen):
                seen = piece[-1].id
                yield piece
            if seen < self.last_id:
                # A consumer that takes all at once must not keep the loop from everybody else.
                await anyio.lowlevel.checkpoint()
            elif self.closed or not live:
                return
            else:
                await self._news()

    def _position(self, after: int) -> int:
        """Where to go on: ids of later than now are those of a clock that was set back since."""
        return self.before_first if after > self.last_id else max(after, self.before_first)

    def _piece(self, seen: int) -> list[Event]:
        """The next events after an id."""
        if not self.history or seen >= self.last_id:
            return []
        first = self.history[0].id
        lost = first - 1 - seen
        told = [self.made(LOST, "", first - 1, {"count": lost})] if lost > 0 else []
        start = max(0, seen + 1 - first)
        return [*told, *islice(self.history, start, start + PIECE)]

    async def _news(self) -> None:
        if self._more is None:
            self._more = anyio.Event()
        await self._more.wait()

    def _wake(self) -> None:
        if self._more is not None:
            more, self._more = self._more, None
            more.set()
