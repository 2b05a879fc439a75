"""An epoch whose input is MPEG-TS: from bytes of any alignment to the ``mpegts`` lane.

Finds packets, program and tracks; the packets wait until the tracks are known, as access units
do. What becomes of them then is up to :class:`~streamctl.engine.passage.Passage`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl.engine.backlog import TURN_WEIGHT, Backlog
from streamctl.engine.meter import Meter
from streamctl.engine.passage import Found, Passage
from streamctl.engine.prober import Prober
from streamctl.engine.strand import Plan
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.index import ProgramChange, TsIndex
from streamctl.media.mpegts.packet import PACKET_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streamctl.engine.timeline import Timeline
    from streamctl.media.mpegts.pidmap import PidMap
    from streamctl.media.mpegts.program import Program
    from streamctl.media.packet import Item, Track

HELD_BYTES = 33_554_432
"""Packets held while the tracks are not known: 3 s at 80 Mbit/s."""

WORK_RATE = 500
"""Units that may begin in a second; the fastest pictures are some 120."""
MAX_WORK = 1000
"""Units that may begin at once: 8 s of the fastest pictures, when a line was held up."""
CHANGE_WORK = 100
"""What a change of the program counts: it costs as much as so many pictures."""

LOSS_WINDOW_S = 10.0
"""Loss is told of this time."""


class Loss:
    """How much was lost lately."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def sample(self, now: float, lost: int, came: int) -> None:
        """Remember the counters; called about once a second."""
        samples = self._samples
        samples.append((now, lost, came))
        while len(samples) > 2 and samples[1][0] <= now - LOSS_WINDOW_S:
            samples.popleft()

    @property
    def percent(self) -> float:
        """Packets that are missing, of all that were sent."""
        if len(self._samples) < 2:
            return 0.0
        (_, lost, came), (_, lost_now, came_now) = self._samples[0], self._samples[-1]
        sent = lost_now - lost + came_now - came
        return 100 * (lost_now - lost) / sent if sent else 0.0


class Unrest:
    """How much there was to look at lately; more than any stream needs is not looked at."""

    def __init__(self) -> None:
        self._left = float(MAX_WORK)
        """What may still come; below zero it has been too much."""
        self._at = 0.0

    def note(self, work: int, now: float) -> None:
        """Count what there was."""
        self._left = max(self._allowed(now) - work, -WORK_RATE)
        self._at = now

    def too_much(self, now: float) -> bool:
        """Whether nothing is to be looked at now."""
        return self._allowed(now) < 0

    def _allowed(self, now: float) -> float:
        return min(MAX_WORK, self._left + (now - self._at) * WORK_RATE)


class Transport:
    """The packets of one epoch."""

    def __init__(
        self,
        pids: PidMap,
        timeline: Timeline,
        begin: Callable[[], None],
        selection: tuple[int | None, Collection[int]],
    ) -> None:
        self.pids = pids
        self.timeline = timeline
        self.aligner = Aligner()
        self.index = TsIndex(*selection)
        self.prober = Prober(*selection)
        self.passage: Passage | None = None
        self.loss = Loss()
        self.unrest = Unrest()
        self.ignored = 0
        """Packets that were left out since there was too much in them."""
        self.backlog = Backlog()
        """Packets that nobody has looked at yet."""
        self._begin = begin
        self._held: deque[tuple[Found, float, int]] = deque()
        """With times of arrival and weights."""
        self._held_bytes = 0
        self._first: Program | None = None
        """The program in force where what is held begins, if it came before."""

    @property
    def waiting_bytes(self) -> int:
        """What there is for :meth:`work` to do."""
        return self.backlog.bytes + (self._held_bytes if self.passage is not None else 0)

    def feed(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Let bytes wait for :meth:`work`."""
        self.backlog.put(self.aligner.feed(data), now)

    def work(self) -> list[Item]:
        """The chunks of as much of what waits as one turn of the loop may take.

        There are none before the passage is open.
        """
        out: list[Item] = []
        left = TURN_WEIGHT
        passage, held = self.passage, self._held
        if passage is not None:
            while held and left > 0 and not (passage.turned or passage.halted):
                found, now, weight = held.popleft()
                self._held_bytes -= len(found.packets)
                left -= weight
                out += passage.feed(found, now)
        while self.backlog and left > 0 and not (self.turned or self.halted):
            packets, now, weight = self.backlog.take(left)
            if self.unrest.too_much(now):
                self.ignored += len(packets) // PACKET_BYTES + self.backlog.clear()
                break
            left -= weight
            out += self._take(packets, now, weight)
        return out

    def go_on(self, now: float) -> list[Item]:
        """The chunks of what waits behind the place where another epoch has begun."""
        assert self.passage is not None
        self.unrest.note(CHANGE_WORK, now)
        if self.unrest.too_much(now):
            self.ignored += self.passage.forget()
            return []
        return self._rest(self.passage, now)

    def halt(self) -> None:
        """Let nothing pass behind the picture that is passing now."""
        if self.passage is not None:
            self.passage.halts = True

    def resume(self, now: float) -> list[Item]:
        """Let everything pass again; the chunks of what has waited meanwhile."""
        passage = self.passage
        if passage is None:
            return []
        halted = passage.halted
        passage.halts = passage.halted = False
        return self._rest(passage, now) if halted else []

    def _rest(self, passage: Passage, now: float) -> list[Item]:
        """The chunks of what has come by already, and waits in the passage."""
        index = self.index
        return passage.feed(Found(b"", index.packets, [], None, index.decided), now)

    def _take(self, packets: memoryview, now: float, weight: int) -> list[Item]:
        """Deal with whole packets."""
        start, units = self.index.packets, self.index.units
        events = self.index.feed(packets)
        self.unrest.note(self.index.units - units, now)
        batch = self.index.batch
        heads = batch if isinstance(batch, ArrayBatch) else None
        found = Found(packets, start, events, heads, self.index.decided)
        program = self.index.program
        if program is not None:
            changes = sum(isinstance(event, ProgramChange) for event in events)
            if changes:
                self.unrest.note(changes * CHANGE_WORK, now)
                self.prober.follow(program)
        if not self.prober.done:
            self.prober.feed(packets, program)
        passage = self.passage
        if passage is None:
            if program is not None:
                self._hold(found, now, weight)
            return []
        out = passage.feed(found, now)
        if passage.doubted is not None and program is not None:
            self.prober.again(passage.doubted, program)
            passage.doubted = None
        return out

    def open(self, epoch: int) -> None:
        """Let everything pass from here on, what was held first."""
        plan = Plan(self.pids)
        self.passage = Passage(plan, self.timeline, epoch, self._begin)
        if self._first is not None:
            self.passage.follow(self._first)

    def restart(self, epoch: int) -> None:
        """Begin another epoch with the next random-access point."""
        if self.passage is not None:
            self.passage = self.passage.successor(epoch)

    def finish(self) -> None:
        """Leave the counters with the lane, and let go of what waits or is held."""
        self.ignored += self.backlog.clear()
        self._held.clear()
        self._held_bytes = 0
        if self.passage is not None:
            self.passage.finish()

    @property
    def news(self) -> bool:
        """Whether ``tracks`` have changed since they were last looked at."""
        return self.prober.news

    def tracks(self) -> list[Track]:
        """What the program consists of, as far as it is known."""
        self.prober.news = False
        return list(self.prober.tracks.values())

    @property
    def turned(self) -> str:
        """Why another epoch has to begin; empty = none has."""
        return self.passage.turned if self.passage is not None else ""

    @property
    def halted(self) -> bool:
        """Whether nothing passes, since a picture is whole that was waited for."""
        return self.passage is not None and self.passage.halted

    @property
    def sealed(self) -> bool:
        """Whether the program is scrambled."""
        return self.passage.sealed if self.passage is not None else self.index.scrambled

    @property
    def begun(self) -> bool:
        """Whether packets are being written."""
        return self.passage is not None and self.passage.begun

    @property
    def jumps(self) -> int:
        """Jumps of the source's times."""
        return self.passage.clock.jumps if self.passage is not None else 0

    @property
    def dropped(self) -> int:
        """Units, or packets where none were looked for, that did not pass."""
        return self.ignored + (self.passage.dropped if self.passage is not None else 0)

    def measure(self, meters: dict[int, Meter], now: float) -> None:
        """Bring the meters of the tracks up to date; called about once a second."""
        continuity = self.index.continuity
        self.loss.sample(now, continuity.lost_packets, self.index.packets)
        if self.passage is None:
            return
        packets = continuity.packets
        for strand in self.passage.plan.by_pid.values():
            track = self.prober.tracks.get(strand.pid)
            if track is not None:
                meter = meters.setdefault(track.id, Meter())
                meter.bytes = packets.get(strand.pid, 0) * PACKET_BYTES
                meter.items = strand.units

    def _hold(self, found: Found, now: float, weight: int) -> None:
        found.packets = bytes(found.packets)
        found.heads = None
        self._held.append((found, now, weight))
        self._held_bytes += len(found.packets)
        while self._held_bytes > HELD_BYTES:
            gone, _, _ = self._held.popleft()
            self._held_bytes -= len(gone.packets)
            for event in gone.events:
                if isinstance(event, ProgramChange):
                    self._first = event.program
