"""Lanes: rings of immutable items with one writer and any number of cursors.

Theory of operation: items have absolute indices that never repeat. The ring holds
``[base, head)``; a cursor is such an index. Random-access points are remembered with the
init that was in force there, so that a join never needs to look back. The ring is cut from
the tail in whole groups of pictures, by media time and by bytes; the newest random-access
point stays as long as its own group fits the byte bound. Readers are fed synchronously, in
the loop turn of the write, so that a chain packets → TS → segment has no queue in between.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Format,
    Init,
    InitChange,
    Item,
    Kind,
    Media,
    Packet,
    Skipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.sdk.lane import Reader

# Looking a member up in its enum costs as much as a call.
KEY, AUDIO = Kind.KEY, Kind.AUDIO
AUDIO_RAP_SPACING = TIMESCALE // 2
"""Streams without video may be joined at the first audio packet of each 500 ms."""
ITEM_OVERHEAD_BYTES = 200
"""What an item weighs beside its payload: slots, integers, the bytes header."""
BARE_MAX = 64
"""Items in a row without media after which a lane forgets what it holds: its format can carry
nothing of a source that comes and goes, so neither time nor bytes would ever cut it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a lane holds."""

    seconds: float
    """Media time to keep; older groups of pictures go first."""
    max_bytes: int
    """Never exceeded, whatever the time."""


@dataclass(slots=True)
class JoinPoint:
    """A random-access point: where it is and which tracks were announced there."""

    index: int
    time: int
    init: Init
    weight: int
    """Bytes that had been written to the lane before, since it began."""


class Lane:
    """One format of one stream."""

    def __init__(
        self, fmt: Format, bounds: Bounds, on_reader_error: Callable[[Reader, Exception], None]
    ) -> None:
        self.format = fmt
        self.bounds = bounds
        self.items: list[Item] = []
        self.base = 0
        self.written = 0
        """Bytes written since the lane began."""
        self.released = 0
        """Bytes written before the oldest item that the ring holds."""
        self.newest = 0
        """Media time of the newest item, 90 kHz."""
        self.joins: deque[JoinPoint] = deque()
        self.init: Init | None = None
        self.gop_too_long = False
        """The newest group of pictures alone passes the byte bound: nobody can join."""
        self.readers: tuple[Reader, ...] = ()
        """Fed in this order; see :meth:`add_reader`."""
        self.waiters: list[anyio.Event] = []
        self.closed = False
        self._on_reader_error = on_reader_error
        self._sound_only = False
        self._last_audio_rap: int | None = None
        self._bare = 0
        """Items without media at the head."""

    @property
    def head(self) -> int:
        """The index that the next item will get."""
        return self.base + len(self.items)

    @property
    def bytes(self) -> int:
        """What the ring holds, with the overhead of its items."""
        return self.written - self.released

    @property
    def seconds(self) -> float:
        """Media time between the oldest random-access point and the newest item."""
        return (self.newest - self.joins[0].time) / TIMESCALE if self.joins else 0.0

    @property
    def newest_gop(self) -> int:
        """Length of the newest complete group of pictures, 90 kHz; 0 = none yet.

        From one epoch to the next is no group, but an outage.
        """
        newer: JoinPoint | None = None
        for point in reversed(self.joins):
            if newer is not None and newer.init.epoch == point.init.epoch:
                return newer.time - point.time
            newer = point
        return 0

    def append(self, items: Sequence[Item]) -> None:
        """Write items, cut the tail, feed the readers and wake the waiters."""
        ring = self.items
        joins = len(self.joins)
        for item in items:
            if type(item) is Packet:
                time = item.dts
                kind = item.kind
                if kind is KEY or (kind is AUDIO and self._sound_only and self._audio_joins(time)):
                    self._join_point(time)
                self.written += len(item.data) + ITEM_OVERHEAD_BYTES
            elif type(item) is Chunk:
                time = item.end
                if item.rap:
                    self._join_point(item.start)
                self.written += len(item.lead) + len(item.data) + ITEM_OVERHEAD_BYTES
            else:
                self._index(item)
                time = self.newest
            if time > self.newest:
                self.newest = time
            ring.append(item)
        if len(self.joins) != joins or self.written - self.released > self.bounds.max_bytes:
            self._trim()
        for reader in self.readers:
            self.feed(reader, items)
        if self.waiters:
            self._wake()

    def add_reader(self, reader: Reader) -> None:
        """Feed ``reader`` with every write from now on."""
        self.readers = (*self.readers, reader)

    def remove_reader(self, reader: Reader) -> None:
        """Stop feeding ``reader``; unknown readers are ignored."""
        self.readers = tuple(known for known in self.readers if known is not reader)

    def feed(self, reader: Reader, items: Sequence[Item]) -> None:
        """Hand items to one reader; its failure detaches it and nothing else."""
        try:
            reader.feed(items)
        except Exception as error:
            self.remove_reader(reader)
            self._on_reader_error(reader, error)

    def history(self, seconds: float = math.inf, max_bytes: float = math.inf) -> list[Item]:
        """The items from a random-access point on, led by a boundary with its init.

        It is the oldest one that is no older and has no more behind it, or else the newest.
        """
        if self.init is None:
            return []
        if not self.joins:
            return [Boundary(self.init.epoch, self.init, "pre-roll")]
        first = self.joins[-1]
        for point in reversed(self.joins):
            late = (self.newest - point.time) / TIMESCALE > seconds
            if late or self.written - point.weight > max_bytes:
                break
            first = point
        boundary = Boundary(first.init.epoch, first.init, "pre-roll")
        return [boundary, *self.items[first.index - self.base :]]

    def clear(self) -> None:
        """Drop every item; indices go on, so cursors notice."""
        self.base = self.head
        self.items.clear()
        self.joins.clear()
        self.released = self.written
        self.gop_too_long = False
        self._last_audio_rap = None

    def finish(self) -> None:
        """There will be no more items: cursors may take the rest, then :meth:`wait` raises."""
        self.closed = True
        self._wake()

    def close(self) -> None:
        """Finish, and drop everything."""
        self.clear()
        self.readers = ()
        self.finish()

    def evict_oldest(self) -> int:
        """Drop the oldest group of pictures unless it is the newest; the bytes gained."""
        if len(self.joins) < 2:
            return 0
        before = self.bytes
        self._drop_until(self.joins[1])
        return before - self.bytes

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for event in waiters:
            event.set()

    def _index(self, item: Item) -> None:
        """Account for what is neither packet nor chunk."""
        last = self.items[-1] if self.items else None
        self._bare = 1 if isinstance(last, (Packet, Chunk)) else self._bare + 1
        if self._bare > BARE_MAX:
            self._bare = 1
            self.clear()
        if isinstance(item, (Boundary, InitChange)):
            sets = sum(len(track.config or b"") for track in item.init.tracks)
            self.written += sets + ITEM_OVERHEAD_BYTES
            self.init = item.init
            self._sound_only = item.init.first(Media.VIDEO) is None
            self._last_audio_rap = None

    def _audio_joins(self, time: int) -> bool:
        """Whether a stream without video may be joined at the audio of this time."""
        if self._last_audio_rap is not None and time - self._last_audio_rap < AUDIO_RAP_SPACING:
            return False
        self._last_audio_rap = time
        return True

    def _join_point(self, time: int) -> None:
        if self.init is not None:
            self.joins.append(JoinPoint(self.head, time, self.init, self.written))
            self.gop_too_long = False

    def _trim(self) -> None:
        joins = self.joins
        keep = self.newest - int(self.bounds.seconds * TIMESCALE)
        while len(joins) > 2 and joins[1].time <= keep:
            self._drop_until(joins[1])
        while self.bytes > self.bounds.max_bytes and len(joins) > 1:
            self._drop_until(joins[1])
        if self.bytes > self.bounds.max_bytes:
            self.gop_too_long = bool(joins) or self.gop_too_long
            self.released = self.written
            self.base = self.head
            self.items.clear()
            self.joins.clear()

    def _drop_until(self, point: JoinPoint) -> None:
        """Drop what lies before a join point, without looking at it: old items are cold."""
        self.released = point.weight
        del self.items[: point.index - self.base]
        self.base = point.index
        while self.joins[0].index < point.index:
            self.joins.popleft()


class LaneCursor:
    """A reading position; implements :class:`streamctl.sdk.lane.Cursor`."""

    def __init__(self, lane: Lane, on_close: Callable[[], None]) -> None:
        self.lane = lane
        self.position = lane.head
        self.time = lane.newest
        """Media time of the last item taken, 90 kHz."""
        self._on_close: Callable[[], None] | None = on_close

    def join(self) -> Init:
        """Move to the newest random-access point.

        Raises:
            NotReady: the lane holds none.
        """
        if not self.lane.joins:
            raise NotReady(f"no random-access point in the {self.lane.format} lane yet")
        point = self.lane.joins[-1]
        self.position = point.index
        self.time = point.time
        return point.init

    def take(self, max_bytes: int = 262_144) -> list[Item]:
        """The next items up to the head, at most about ``max_bytes``."""
        return self.take_until(self.lane.head, max_bytes)

    def take_until(self, index: int, max_bytes: int) -> list[Item]:
        """The next items before ``index``, at most about ``max_bytes``; at least one if any."""
        lane = self.lane
        taken: list[Item] = []
        if self.position < lane.base:
            taken.append(self.skip())
        start = self.position - lane.base
        size = 0
        for item in lane.items[start : max(start, index - lane.base)]:
            if isinstance(item, (Packet, Chunk)):
                size += len(item.data)
                if size > max_bytes and self.position - lane.base > start:
                    break
                self.time = item.dts if isinstance(item, Packet) else item.start
            taken.append(item)
            self.position += 1
        return taken

    def skip(self) -> Skipped:
        """Move to the newest random-access point, or to the head if there is none."""
        lane = self.lane
        target = lane.joins[-1] if lane.joins else None
        index = target.index if target else lane.head
        time = target.time if target else lane.newest
        skipped = Skipped(max(0, index - self.position), max(0, time - self.time))
        self.position = max(self.position, index)
        self.time = max(self.time, time)
        return skipped

    def at_head(self) -> bool:
        """Whether nothing is left to take."""
        return self.position >= self.lane.head

    async def wait(self) -> None:
        """Return when there is something to take.

        Raises:
            NotReady: the lane was closed.
        """
        while self.at_head():
            if self.lane.closed:
                raise NotReady("the stream ended")
            event = anyio.Event()
            self.lane.waiters.append(event)
            try:
                await event.wait()
            finally:
                if not event.is_set():
                    self.lane.waiters.remove(event)

    def close(self) -> None:
        """Give the position up; may be called twice."""
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()
