"""What happened, in one order: a bounded history and live followers.

Events are small and rare; a follower that does not read loses the oldest and is told how many
by the gap in the ids.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from streamctl.schema import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.sdk.context import Clock

HISTORY = 1000
"""Events kept for followers that reconnect; a few hundred KB."""


def rfc3339(unix_time: float) -> str:
    """A Unix time as RFC 3339 in UTC, with milliseconds."""
    stamp = datetime.fromtimestamp(unix_time, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


class EventLog:
    """The one ordered queue of events."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.history: deque[Event] = deque(maxlen=HISTORY)
        self.last_id = 0
        self.closed = False
        self._more = anyio.Event()

    def emit(self, kind: str, stream: str = "", **payload: object) -> None:
        """Append an event and wake the followers."""
        self.last_id += 1
        self.history.append(
            Event(
                id=self.last_id,
                type=kind,
                stream=stream,
                time=rfc3339(self.clock.wall()),
                payload=payload,
            )
        )
        self._wake()

    def close(self) -> None:
        """End every follower."""
        self.closed = True
        self._wake()

    async def follow(self, after: int | None = None) -> AsyncIterator[Event]:
        """Events with a higher id than ``after`` (None = from now on), without end.

        An id that was never given is one of an earlier run of the server: all that is kept has
        happened since.
        """
        seen = self.last_id if after is None else after
        if seen > self.last_id:
            seen = 0
        while True:
            for event in [event for event in self.history if event.id > seen]:
                seen = event.id
                yield event
            if self.closed:
                return
            if not self.history or self.history[-1].id <= seen:
                await self._more.wait()

    def _wake(self) -> None:
        more, self._more = self._more, anyio.Event()
        more.set()
