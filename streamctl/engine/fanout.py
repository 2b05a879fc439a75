"""The fan-out: one byte lane to every viewer, with one send per viewer and video frame.

Theory of operation: viewers at the head form a group that has one position. Chunks collect in
``pending`` until one ends a video frame (or ``merge_ms`` has passed); then they are joined once
and the same ``bytes`` object is written to every wire of the group. A wire that fills up calls
``paused`` from inside ``write``: the viewer leaves the group with the group's position and is
served from the ring, in pieces, when its wire drains. Joiners start the same way, without the
pictures that lead an open random-access point, and not before those have passed. A viewer that
is too far behind is moved to the newest random-access point; one that stays behind is closed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Boundary, Chunk, Flag, Item, Rejoin, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.engine.lane import Lane, LaneCursor
    from streamctl.sdk.context import Clock, Timer
    from streamctl.sdk.lane import Cursor, Greeting, Wire
    from streamctl.sdk.session import Session

PIECE_BYTES = 262_144
"""Catch-up is written in pieces of this size, so that a transport's private copy stays small."""
AUDIO_HOLD_S = 0.04
"""How long audio waits for a video frame to travel with."""
TIMER_SLACK_S = 0.001
"""Event loops round timers; this much too early is on time."""
MIN_LAG_S = 3.0
"""A viewer may always be this far behind; more than that and more than two GOPs is a skip."""
MIN_RATE_S = 0.2
"""A rate measured over less media than this says nothing."""
SEND_BUFFER_S = 1.0
"""Media time that the kernel's send buffer of a viewer should hold."""
JOIN_WAIT_S = 30.0
"""How long a stream that is on air may keep a viewer waiting for a random-access point."""
OPEN_GOP, LEADING = int(Flag.OPEN_GOP), int(Flag.LEADING)
"""As plain numbers, since the bits of an enum are slow to test."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One wire and where it stands in the lane."""

    session: Session
    wire: Wire
    cursor: LaneCursor
    greet: Greeting | None = None
    joined: bool = False
    """Whether the first picture has been written."""
    landed: bool = False
    """The next random-access chunk must be led by its ``join`` bytes."""
    fresh: bool = False
    """It joined at the newest random-access chunk, so it can't decode what leads that."""
    at_head: bool = False
    parked: bool = False
    group_bytes: int = 0
    """The group's byte counter when the viewer entered it."""
    units: int = 0
    """Of all chunks that were written to it outside the group, and in the group before."""
    group_units: int = 0
    """The group's when the viewer entered it."""
    waits_since: float | None = None
    """When it was first seen waiting for a picture that did not come with what came."""
    slow_since: float | None = None
    """When the viewer first lagged too much; None again once it is at the head."""


class LaneFanOut:
    """Implements :class:`streamctl.sdk.lane.FanOut` and reads the lane."""

    def __init__(
        self, lane: Lane, clock: Clock, *, merge_s: float, slow_viewer_timeout_s: float
    ) -> None:
        self.lane = lane
        self.clock = clock
        self.merge_s = merge_s
        self.slow_viewer_timeout_s = slow_viewer_timeout_s
        self.viewers: dict[Session, Viewer] = {}
        self.sent_bytes = 0
        """Bytes that each viewer of the head group has been sent since the lane began."""
        self.sent_units = 0
        self.position = lane.head
        """Index up to which the head group has been sent."""
        self.earliest = 0
        """Nobody joins before this index: what lies there is over."""
        self._pending: list[bytes] = []
        self._pending_units = 0
        self._writes: list[Callable[[bytes], None]] = []
        self._stale = False
        self._timer: Timer | None = None
        self._due = math.inf
        """When pending bytes must leave at the latest."""
        self._flushed_at = clock.now()
        self._ticked = lane.head
        """Where the lane was at the last tick."""
        self._waiting = 0
        self._held = False
        """Nobody may join for the moment."""
        self._leads = False
        """The newest random-access point is open, and pictures that lead it may still come."""
        self._led = 0
        """Behind the last one that came."""

    def add(
        self, cursor: Cursor, wire: Wire, session: Session, greet: Greeting | None = None
    ) -> None:
        """Join the viewer now, or at the first random-access point to come."""
        viewer = Viewer(session, wire, cursor, greet)  # type: ignore[arg-type] # the engine's own cursor comes back
        self.viewers[session] = viewer
        self._waiting += 1
        self._try_join(viewer)

    def remove(self, session: Session) -> None:
        """Forget the viewer."""
        viewer = self.viewers.pop(session, None)
        if viewer is None:
            return
        if not viewer.joined:
            self._waiting -= 1
        self._leave_head(viewer)

    def park(self, session: Session) -> None:
        """Stop writing to the viewer until :meth:`serve`."""
        viewer = self.viewers.get(session)
        if viewer is not None:
            viewer.parked = True
            self._leave_head(viewer)

    def serve(self, session: Session) -> None:
        """Go on writing to the viewer from where it stopped."""
        viewer = self.viewers.get(session)
        if viewer is not None:
            viewer.parked = False
            if viewer.joined:
                self._catch_up(viewer)

    def feed(self, items: Sequence[Item]) -> None:
        """Take new items of the lane."""
        flush = False
        pending = self._pending
        for item in items:
            if type(item) is Chunk:
                if item.lead:
                    pending.append(item.lead)
                pending.append(item.data)
                self._pending_units += item.units
                flush = flush or item.flush
                if item.rap or self._leads:
                    self._watch(item)
            elif isinstance(item, Boundary):
                flush = True
            elif isinstance(item, Rejoin):
                self._begin_anew(item, items)
        if not pending:
            self.position = self.lane.head
        elif flush and not self.merge_s:
            self.flush()
        else:
            self._flush_later(whole=flush)

    def pause(self) -> None:
        """The source went away: who comes from now on waits for what comes next.

        A relay would take the last pictures for a source that works, again with each attempt.
        """
        self.earliest = self.lane.head

    def hold(self) -> None:
        """The lane is being filled with the past: nobody joins."""
        self._held = True

    def release(self) -> None:
        """The lane holds what is newest: whoever waits may join."""
        if self._held:
            self._held = False
            self.flush()

    def flush(self) -> None:
        """Send what is pending to the head group now, then let waiting viewers join."""
        self._due = math.inf
        self.position = self.lane.head
        pending = self._pending
        if pending:
            self._pending = []
            if self._stale:
                self._writes = [v.wire.write for v in self.viewers.values() if v.at_head]
                self._stale = False
            if self._writes:
                data = pending[0] if len(pending) == 1 else b"".join(pending)
                self.sent_bytes += len(data)
                self.sent_units += self._pending_units
                for write in self._writes:
                    write(data)
            self._pending_units = 0
        if self.merge_s:
            self._flushed_at = self.clock.now()
        if self._waiting:
            for viewer in list(self.viewers.values()):
                if not viewer.joined:
                    self._try_join(viewer)

    def tick(self, now: float) -> None:
        """Measure lags; skip and close viewers that are too slow. Called about once a second."""
        limit = max(2 * self.lane.newest_gop / TIMESCALE, MIN_LAG_S)
        fed, self._ticked = self.lane.head > self._ticked, self.lane.head
        for viewer in list(self.viewers.values()):
            self.account(viewer)
            if not viewer.joined:
                self._have_waiting(viewer, now, fed=fed)
                continue
            viewer.waits_since = None
            if viewer.at_head:
                continue
            if viewer.session.lag > limit:
                if viewer.slow_since is None:
                    viewer.slow_since = now
                self._skip(viewer)
            if viewer.slow_since and now - viewer.slow_since > self.slow_viewer_timeout_s:
                viewer.session.close(
                    f"too slow: behind for {now - viewer.slow_since:.0f} s, "
                    f"{viewer.session.skips} skips"
                )

    def _have_waiting(self, viewer: Viewer, now: float, *, fed: bool) -> None:
        """Close a viewer for whom nothing to begin with comes; while nothing comes, they wait."""
        if not fed:
            viewer.waits_since = None
        elif viewer.waits_since is None:
            viewer.waits_since = now
        elif now - viewer.waits_since > JOIN_WAIT_S:
            viewer.session.close(f"no random-access point to begin with for {JOIN_WAIT_S:.0f} s")

    def account(self, viewer: Viewer) -> None:
        """Bring the counters and the lag of a viewer's session up to date."""
        session = viewer.session
        if viewer.at_head:
            session.bytes_out += self.sent_bytes - viewer.group_bytes
            viewer.group_bytes = self.sent_bytes
            behind = 0
        else:
            behind = max(0, self.lane.newest - viewer.cursor.time) if viewer.joined else 0
        rate = self.bytes_per_second()
        session.lag = behind / TIMESCALE + (viewer.wire.unsent() / rate if rate else 0.0)

    def units(self, session: Session) -> int:
        """The units of all chunks that were written to the viewer."""
        viewer = self.viewers.get(session)
        if viewer is None:
            return 0
        return viewer.units + (self.sent_units - viewer.group_units if viewer.at_head else 0)

    def bytes_per_second(self) -> float:
        """Average rate of what the lane holds; 0 = unknown."""
        seconds = self.lane.seconds
        return self.lane.bytes / seconds if seconds > MIN_RATE_S else 0.0

    def dismiss(self, reason: str) -> None:
        """Close every viewer: there is nothing here for them."""
        for session in list(self.viewers):
            session.close(reason)

    def reset(self) -> None:
        """The lane was cleared: everybody waits for the next random-access point."""
        self._pending.clear()
        self._pending_units = 0
        self._leads = self._held = False
        self.position = self.lane.head
        for viewer in self.viewers.values():
            self._leave_head(viewer)
            if viewer.joined:
                self._wait(viewer)

    def _flush_later(self, *, whole: bool) -> None:
        """Flush when it is due: pictures when merging allows, sound when it has waited."""
        now = self.clock.now()
        due = max(self._flushed_at + self.merge_s, now if whole else now + AUDIO_HOLD_S)
        self._due = min(self._due, due)
        if self._due <= now:
            self.flush()
        elif self._timer is None:
            self._timer = self.clock.call_later(self._due - now, self._on_timer)

    def _on_timer(self) -> None:
        """Flush what is due; what was flushed in time meanwhile cost no timer of its own."""
        self._timer = None
        if not self._pending:
            return
        wait_s = self._due - self.clock.now()
        if wait_s <= TIMER_SLACK_S:
            self.flush()
        else:
            self._timer = self.clock.call_later(wait_s, self._on_timer)

    def _begin_anew(self, rejoin: Rejoin, items: Sequence[Item]) -> None:
        """Send everybody away, and let nobody begin before the place and run into it."""
        behind = len(items) - next(at for at, item in enumerate(items) if item is rejoin) - 1
        self.earliest = self.lane.head - behind
        self.dismiss(rejoin.reason)

    def _watch(self, chunk: Chunk) -> None:
        """Tell whether leading pictures may come: until the first picture that is none."""
        if chunk.rap:
            self._leads = chunk.flags & OPEN_GOP != 0
        elif chunk.flush:
            self._leads = chunk.flags & LEADING != 0
            self._led = self.lane.head

    def _is_led(self) -> bool:
        """Whether the group may still be sent pictures that lead the newest place to begin."""
        return self._leads or self.position < self._led

    def _try_join(self, viewer: Viewer) -> None:
        join = self.lane.joins[-1].index if self.lane.joins else None
        if join is None or not self.earliest <= join < self.position:
            return
        if self._held or self._is_led():
            return
        viewer.cursor.join()
        viewer.joined = viewer.landed = True
        self._waiting -= 1
        rate = self.bytes_per_second()
        if rate:
            viewer.wire.set_send_buffer(int(rate * SEND_BUFFER_S))
        self._catch_up(viewer)

    def _catch_up(self, viewer: Viewer) -> None:
        cursor = viewer.cursor
        if cursor.position < self.lane.base and self._is_led():
            # Where it would land, pictures may still come that only the others can decode.
            self._count_skip(viewer, cursor.skip())
            self._wait(viewer)
            return
        while not viewer.parked and viewer.session in self.viewers:
            if cursor.position >= self.position:
                self._arrive(viewer)
                return
            parts: list[bytes] = []
            for item in cursor.take_until(self.position, PIECE_BYTES):
                if isinstance(item, Skipped):
                    self._count_skip(viewer, item)
                elif isinstance(item, Chunk):
                    parts += self._served(viewer, item)
            if parts:
                data = b"".join(parts)
                viewer.session.bytes_out += len(data)
                viewer.wire.write(data)

    def _served(self, viewer: Viewer, chunk: Chunk) -> tuple[bytes, ...]:
        """What a viewer outside the group gets of a chunk."""
        if chunk.rap:
            landed, viewer.landed = viewer.landed, False
            viewer.fresh = landed
            join = b""
            if landed:
                join = viewer.greet(chunk) if viewer.greet else chunk.join
            viewer.units += chunk.units
            return join, chunk.lead, chunk.data
        if chunk.flags & LEADING and viewer.fresh:
            return (chunk.join,)
        viewer.units += chunk.units
        return chunk.lead, chunk.data

    def _skip(self, viewer: Viewer) -> None:
        join = self.lane.joins[-1] if self.lane.joins else None
        if join is None or not viewer.cursor.position < join.index < self.position:
            return
        if self._is_led():
            return
        self._count_skip(viewer, viewer.cursor.skip())
        self._catch_up(viewer)

    def _count_skip(self, viewer: Viewer, skipped: Skipped) -> None:
        viewer.landed = True
        session = viewer.session
        session.skips += 1
        session.skipped_items += skipped.items
        session.skipped_time += skipped.media_time

    def _arrive(self, viewer: Viewer) -> None:
        """Enter the head group; who has skipped and seen no picture since waits for one."""
        if viewer.landed:
            self._wait(viewer)
            return
        viewer.at_head = True
        viewer.fresh = False
        viewer.group_bytes = self.sent_bytes
        viewer.group_units = self.sent_units
        viewer.slow_since = None
        self._stale = True

    def _wait(self, viewer: Viewer) -> None:
        """Have a viewer wait for the next place to begin."""
        viewer.joined = False
        self._waiting += 1

    def _leave_head(self, viewer: Viewer) -> None:
        if viewer.at_head:
            viewer.session.bytes_out += self.sent_bytes - viewer.group_bytes
            viewer.units += self.sent_units - viewer.group_units
            viewer.at_head = False
            viewer.cursor.position = self.position
            viewer.cursor.time = self.lane.newest
            self._stale = True
