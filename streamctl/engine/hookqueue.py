"""What a hook still has to be told: a bounded queue that loses the oldest and counts them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.schema import Event

LIMIT = 10_000
"""Events of a burst, or of an hour in which nobody answers; some ten megabytes."""


class HookQueue:
    """Events in the order in which they happened."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.dropped = 0
        """Events that were lost because the queue was full."""
        self._events: deque[Event] = deque()
        self._more: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Append an event; of a full queue the oldest is lost."""
        if len(self._events) >= self.limit:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        if self._more is not None:
            self._more.set()
            self._more = None

    def take(self, limit: int) -> list[Event]:
        """The oldest events, which leave the queue."""
        return [self._events.popleft() for _ in range(min(limit, len(self._events)))]

    def put_back(self, events: Sequence[Event]) -> None:
        """Events that were taken come to the front again, as many of the newest as find room."""
        room = self.limit - len(self._events)
        lost = max(0, len(events) - room)
        self.dropped += lost
        self._events.extendleft(reversed(events[lost:]))

    def remove(self, event: Event) -> bool:
        """Forget one event; False if it is not here any more."""
        try:
            self._events.remove(event)
        except ValueError:
            return False
        return True

    async def filled(self, count: int = 1) -> None:
        """Wait until there are that many events."""
        while len(self._events) < count:
            if self._more is None:
                self._more = anyio.Event()
            await self._more.wait()
