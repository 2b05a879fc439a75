"""What a hook still has to be told: a bounded queue that loses the oldest and counts them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.schema import Event

LIMIT = 10_000
"""Events of a burst, or of an hour in which nobody answers; some twenty megabytes."""


class HookQueue:
    """Events in the order in which they happened."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.dropped = 0
        """Events that were lost because the queue was full."""
        self._events: OrderedDict[int, Event] = OrderedDict()
        """By id: of thousands that wait, those are forgotten at once that are over."""
        self._more: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Append an event; of a full queue the oldest is lost."""
        if len(self._events) >= self.limit:
            self._events.popitem(last=False)
            self.dropped += 1
        self._events[event.id] = event
        if self._more is not None:
            self._more.set()
            self._more = None

    def take(self, limit: int) -> list[Event]:
        """The oldest events, which leave the queue."""
        count = min(limit, len(self._events))
        return [self._events.popitem(last=False)[1] for _ in range(count)]

    def put_back(self, events: Sequence[Event]) -> None:
        """Events that were taken come to the front again, as many of the newest as find room."""
        room = self.limit - len(self._events)
        lost = max(0, len(events) - room)
        self.dropped += lost
        for event in reversed(events[lost:]):
            self._events[event.id] = event
            self._events.move_to_end(event.id, last=False)

    def remove(self, event: Event) -> bool:
        """Forget one event; False if it is not here any more."""
        return self._events.pop(event.id, None) is not None

    async def filled(self, count: int = 1) -> None:
        """Wait until there are that many events."""
        while len(self._events) < count:
            if self._more is None:
                self._more = anyio.Event()
            await self._more.wait()
