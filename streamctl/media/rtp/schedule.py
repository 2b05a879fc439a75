"""When the datagrams of a push leave: as they are played, whatever the way the media comes.

Theory of operation: many receivers take when a packet comes for when it is to be shown, so what
comes in lumps must not leave in lumps. The first unit leaves at once, and those behind it by their
decoding times. One that comes too late leaves at once, and all behind it later by as much: nothing
is hurried, and the next lump of that kind finds room. How much time units have left when they come
is watched; if all of them have some for a while, the pace is a little quicker until they have not.
The datagrams of a large picture, which at once would overrun the queues of switches, leave in
groups, spread over half of the time until the next picture, unless it has to leave whole. Sans-IO.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.publication import Datagram

GROUP = 8
"""Datagrams that leave together."""
LONGEST_S = 0.25
"""A picture is not spread over more, however long it stands."""
WATCH_S = 2.0
SPARE_S = 0.02
"""Time that may be left: clocks and loops are never exact."""
HURRY = 0.05
"""The part of its time by which a unit may come earlier than it is played: receivers that follow
the sender's clock by arrival take it for drift."""
JUMP_S = 30.0
"""Nothing waits longer for its time: the times have jumped."""


class Schedule:
    """Takes units as they come and gives their datagrams away when they are due."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Sequence[Datagram]]] = []
        self._count = 0
        """Of what was ever queued, which tells what came first."""
        self._offset: float | None = None
        """When time 0 is due."""
        self._ends: dict[int, float] = {}
        """When the last datagrams of each track are due."""
        self._newest: dict[int, int] = {}
        """The newest unit's time, by track."""
        self._front = 0
        self._surplus = 0.0
        self._least = JUMP_S
        self._watched = 0.0

    def feed(
        self,
        track: int,
        time: int,
        datagrams: Sequence[Datagram],
        now: float,
        *,
        whole: bool = False,
    ) -> None:
        """Take a unit of a track that came now; ``time`` is when it is decoded.

        One that is ``whole`` leaves in one piece.
        """
        due = self._due(time, now)
        before = self._newest.get(track, time)
        self._newest[track] = time
        size = max(GROUP, len(datagrams)) if whole else GROUP
        groups = -(-len(datagrams) // size)
        pause = min(max(time - before, 0) / TIMESCALE / 2, LONGEST_S) / max(groups, 1)
        due = max(due, self._ends.get(track, due))
        for at in range(0, len(datagrams), size):
            self._count += 1
            heappush(self._queue, (due, self._count, datagrams[at : at + size]))
            self._ends[track] = due
            due += pause

    def take(self, now: float) -> list[Datagram]:
        """What is due."""
        found: list[Datagram] = []
        queue = self._queue
        while queue and queue[0][0] <= now:
            found += heappop(queue)[2]
        return found

    def next_due(self) -> float | None:
        """When something is due next; None while nothing waits."""
        return self._queue[0][0] if self._queue else None

    def ahead(self, now: float) -> float:
        """For how long there is something planned, seconds."""
        return max(self._ends.values()) - now if self._queue else 0.0

    def _due(self, time: int, now: float) -> float:
        """When a unit that came now leaves."""
        shown = time / TIMESCALE
        if self._offset is None:
            self._restart(shown, now)
        assert self._offset is not None
        step = max(0, time - self._front)
        self._front = max(self._front, time)
        if self._surplus > 0:
            saved = min(self._surplus, step / TIMESCALE * HURRY)
            self._offset -= saved
            self._surplus -= saved
        left = self._offset + shown - now
        if left < 0 or left > JUMP_S:
            self._offset -= left
            left, self._surplus = 0.0, 0.0
        self._watch(left, now)
        return now + left

    def _restart(self, shown: float, now: float) -> None:
        self._offset = now - shown
        self._front = round(shown * TIMESCALE)
        self._watched = now

    def _watch(self, left: float, now: float) -> None:
        """See what time units have left when they come."""
        self._least = min(self._least, left)
        if now - self._watched >= WATCH_S:
            self._surplus = max(0.0, self._least - SPARE_S)
            self._least = JUMP_S
            self._watched = now
