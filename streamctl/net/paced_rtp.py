"""Sends what a stream gives as RTP, at the pace of its media.

Receivers that take when a packet comes for when it is shown can't tell the times of what comes in a
burst, over TCP as little as over UDP. So nothing leaves in one, and a push begins with a
random-access point that is new, not with one that would leave the receivers behind for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady, StreamctlError
from streamctl.media.packet import TIMESCALE, Kind, Packet, Skipped
from streamctl.media.rtp.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streamctl.media.packet import Init, Item
    from streamctl.media.rtp.publication import Datagram, Publication
    from streamctl.sdk.context import Clock
    from streamctl.sdk.lane import Cursor

FRESH = TIMESCALE
"""A random-access point this old is not begun with."""
PATIENCE_S = 10.0
"""How long a new one is waited for: some streams have none for minutes."""
STEP_S = 0.002
"""What is due within it leaves together."""
LOOK_S = 0.02
"""How long what has just come may wait, if it is due before what is waited for."""
AHEAD_S = 2.0
"""What is planned at most; the rest waits in the lane, which is shared and bounded."""
KEY = Kind.KEY
"""Looking a member up in its enum costs as much as a call."""
EVERYTHING = 1 << 62
"""Of what the lane holds at first, all is taken."""


class PacedRtp:
    """One push on its way out."""

    def __init__(
        self,
        publication: Publication,
        send: Callable[[Sequence[Datagram]], None],
        clock: Clock,
        writable: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``send`` takes datagrams without waiting; ``writable`` returns when it takes more."""
        self.publication = publication
        self.schedule = Schedule()
        self.clock = clock
        self._give = send
        self._writable = writable
        self._more = anyio.Event()
        """Set when the reader has brought something, or has ended."""
        self._ended = False
        self._failure: StreamctlError | None = None

    async def run(self, cursor: Cursor) -> bool:
        """Send until the lane is closed, or other tracks come; whether it is the former.

        Raises:
            RemoteProtocolError: a configuration can't be read.
            StreamctlError: what ``send`` raises.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._bring, cursor)
            try:
                await self._send()
            except StreamctlError as error:
                self._failure = error
            tasks.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        return not self.publication.stale

    async def _bring(self, cursor: Cursor) -> None:
        """Read to the end, whatever it is."""
        try:
            await self._read(cursor)
        except StreamctlError as error:
            self._failure = error
        self._ended = True
        self._more.set()

    async def _read(self, cursor: Cursor) -> None:
        """Bring what the lane gets, as long as not too much is planned."""
        clock, schedule, publication = self.clock, self.schedule, self.publication
        self._take(self._again(cursor), cursor)
        while not publication.stale:
            surplus = schedule.ahead(clock.now()) - AHEAD_S
            if surplus > 0:
                await clock.sleep(surplus)
            if self._writable is not None:
                await self._writable()
            try:
                await cursor.wait()
            except NotReady:
                break
            self._take(cursor.take(), cursor)

    def _again(self, cursor: Cursor) -> list[Item]:
        """Go to the newest random-access point; before it there may be other tracks."""
        try:
            self.publication.use(cursor.join())
        except NotReady:
            return []
        self.publication.landed = True
        return cursor.take(EVERYTHING)

    def _take(self, items: list[Item], cursor: Cursor) -> None:
        """Plan items that came now."""
        publication, feed = self.publication, self.schedule.feed
        if any(isinstance(item, Skipped) for item in items):
            items = self._again(cursor)
        now = self.clock.now()
        for item in items:
            packet = publication.unit(item)
            if packet is not None:
                whole = publication.tracks[packet.track].whole
                feed(packet.track, packet.dts, publication.pack(packet), now, whole=whole)
        self._more.set()

    async def _send(self) -> None:
        """Send what becomes due until all is sent."""
        clock, schedule = self.clock, self.schedule
        while True:
            now = clock.now()
            ready = schedule.take(now + STEP_S / 2)
            if ready:
                self._give(ready)
                if self._writable is not None:
                    await self._writable()
            due = schedule.next_due()
            if due is not None:
                await clock.sleep(min(max(STEP_S, due - now), LOOK_S))
            elif self._ended:
                return
            else:
                self._more = anyio.Event()
                await self._more.wait()


async def landed(cursor: Cursor) -> Init | None:
    """Move to a random-access point that is new, if one comes in time; None = there is none."""
    init = await joined(cursor)
    times = [item.dts for item in cursor.take(EVERYTHING) if isinstance(item, Packet)]
    if init is not None and times and times[-1] - times[0] > FRESH:
        with anyio.move_on_after(PATIENCE_S):
            while not any(isinstance(item, Packet) and item.kind is KEY for item in cursor.take()):
                try:
                    await cursor.wait()
                except NotReady:
                    break
    return await joined(cursor)


async def joined(cursor: Cursor) -> Init | None:
    """Move to the newest random-access point, or the first that comes; None = there is none."""
    while True:
        try:
            return cursor.join()
        except NotReady:
            cursor.take()
        try:
            await cursor.wait()
        except NotReady:
            return None
