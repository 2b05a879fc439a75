"""The way of one program through the server as it came: the streams of an epoch of MPEG-TS.

Theory of operation. Packets arrive in batches. Of a batch only those rows are looked at where a
unit begins, a clock reference stands or a table is repeated; everything else is moved by columns.
A unit's times are mapped by the :class:`~streamctl.engine.programclock.ProgramClock`. Each stream
passes from a unit of its own on: pictures from the first random-access point, without those that
lead it, sound from where the sound before has ended. Chunks are cut before each picture. When a
decision needs bytes that have not come, the rest of the batch waits for the next one.

PIDs, continuity counters and tables belong to the lane: see
:class:`~streamctl.media.mpegts.pidmap.PidMap`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.engine.chunker import LEADING, Chunker, Cut
from streamctl.engine.handover import Early, SoundStart
from streamctl.engine.programclock import ProgramClock
from streamctl.engine.references import References
from streamctl.engine.routing import Routes, Run
from streamctl.engine.splice import PICTURE_WAIT_S
from streamctl.engine.strand import Cargo, Plan, Start, Strand
from streamctl.engine.timeline import REORDER_MAX
from streamctl.engine.unitbytes import head_spans, move_cue, move_stamps, stamps_at
from streamctl.media.mpegts.batch import PIDS
from streamctl.media.mpegts.index import Entry, ProgramChange
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.pes import TIMESTAMP_MASK
from streamctl.media.mpegts.restamp import CLOCK_FLAGS, move_clocks, read_clock
from streamctl.media.mpegts.sets import SetWatch
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.engine.timeline import Timeline
    from streamctl.media.mpegts.batch import ArrayBatch
    from streamctl.media.mpegts.index import Event
    from streamctl.media.mpegts.program import Program
    from streamctl.media.packet import Item

WAIT_S = 0.1
"""How long packets wait for bytes that a decision needs."""
WAIT_BYTES = 512 * PACKET_BYTES
"""The same in bytes; the head of a picture is a few packets long."""
SCRAMBLED = 0xC0
"""Bits of the fourth byte of a packet."""
UNDECIDED_BYTES = 8_388_608
"""Packets that wait for the index to tell what a picture is, whose rest may never come: a picture
that it looks at is at most 256 KiB long, among those of all programs."""
UNDECIDED_S = 1.0
"""The same in time: where pictures have stopped, sound goes on."""
ENTRIES_MAX = 1000
"""Units that are told, but never come by, as those of a PID that is damaged."""


@dataclass(slots=True)
class Found:
    """Whole packets, and what the index found in them."""

    packets: bytes | bytearray | memoryview
    start: int
    """Number of the first one, counted from the first of the source."""
    events: list[Event]
    heads: ArrayBatch | None
    """Their headers, if they were read as arrays."""
    decided: int
    """All about packets before this one is known."""


@dataclass(slots=True)
class Unit:
    """The start of a PES packet with times of the source, unwrapped."""

    row: int
    pts: int
    dts: int
    now: float


class Passage:
    """Moves the packets of one epoch."""

    def __init__(
        self, plan: Plan, timeline: Timeline, epoch: int, begin: Callable[[], None]
    ) -> None:
        self.timeline = timeline
        self.plan = plan
        self.routes = Routes()
        self.clock = ProgramClock(0)
        broken = bool(plan.pids.slots)
        self.chunker = Chunker(self.plan, self.routes, epoch, broken=broken)
        self.references = References(anew=broken)
        self.begun = False
        self.dropped = 0
        """Units before the start of their stream, and pictures that lead the first one."""
        self.program: Program | None = None
        self.sealed = False
        """The program is scrambled: its times can't be moved, so none is."""
        self.turned = ""
        """Why another epoch has to begin here; empty = none has."""
        self.halts = False
        """Nothing passes behind the picture that is passing now."""
        self.halted = False
        """That picture has passed."""
        self.doubted: int | None = None
        """The PID of pictures whose parameter sets are others than before."""
        self._sets = SetWatch()
        self._pcr: int | None = None
        self._begin_epoch = begin
        self._unwrap = Unwrapper(33).unwrap
        self._buffer = bytearray()
        self._base = 0
        """Number of the first packet in the buffer."""
        self._waits_since: float | None = None
        self._entries: dict[int, Entry] = {}
        """What the index tells of the units of the leading stream, by packet."""
        self._changes: deque[ProgramChange] = deque()
        self._early = Early()
        self._first_arrival: float | None = None
        self.sounds = SoundStart(timeline, 0)
        self._hasty = False
        """Decide with the bytes there are."""
        self._cuts: list[Cut] = []
        self._counters = bytearray(PIDS)
        """Of the last packet of each PID that came by."""

    def feed(self, found: Found, now: float) -> list[Item]:
        """Chunks out of whole packets."""
        if self._first_arrival is None:
            self._first_arrival = now
        for event in found.events:
            if isinstance(event, Entry):
                self._entries[event.packet] = event
            elif isinstance(event, ProgramChange):
                self._changes.append(event)
        since = self._waits_since
        size = len(self._buffer)
        self._hasty = since is not None and (now - since > WAIT_S or size > WAIT_BYTES)
        out: list[Item] = []
        heads = found.heads
        if size:
            heads = None
        else:
            self._base = found.start
        self._buffer += found.packets
        base = self._base
        decided = self._decided(found, now)
        while self._advance(min(decided - self._base, self._limit()), heads, now, out):
            heads = None
        self._limit()
        if not self._buffer:
            self._waits_since = None
        elif since is None or self._base != base:
            self._waits_since = now
        if len(self._entries) > ENTRIES_MAX:
            self._entries = {at: one for at, one in self._entries.items() if at >= self._base}
        return out

    def _decided(self, found: Found, now: float) -> int:
        """Before which packet pictures are told, or are not waited for any longer."""
        since = self._waits_since
        late = since is not None and now - since > UNDECIDED_S
        if late or found.decided < self._base or len(self._buffer) > UNDECIDED_BYTES:
            return self._base + len(self._buffer) // PACKET_BYTES
        return found.decided

    def forget(self) -> int:
        """Drop what waits; how many packets that were."""
        count = len(self._buffer) // PACKET_BYTES
        self._base += count
        self._buffer = bytearray()
        return count

    def finish(self) -> None:
        """Leave the lane's counters where they stand."""
        self.chunker.keep_counters(self._counters)

    def cease(self, strand: Strand) -> None:
        """Let nothing of a strand pass before it begins anew."""
        self.chunker.count(strand, self._counters[strand.pid] + 1)
        self.routes.passes[strand.pid] = False
        strand.open = False

    def successor(self, epoch: int) -> Passage:
        """A fresh start with the packets to come, as another epoch."""
        self.finish()
        plan = Plan(self.plan.pids)
        fresh = Passage(plan, self.timeline, epoch, self._begin_epoch)
        fresh._base, fresh._buffer = self._base, self._buffer
        fresh._entries, fresh._changes = self._entries, self._changes
        if self.program is not None:
            fresh.follow(self.program)
        return fresh

    def _limit(self) -> int:
        """How many packets there are before the program changes; changes behind are followed."""
        packets = len(self._buffer) // PACKET_BYTES
        while self._changes and self._changes[0].packet < self._base:
            self.follow(self._changes.popleft().program)
        if self._changes:
            return min(packets, self._changes[0].packet + 1 - self._base)
        return packets

    def _advance(self, count: int, heads: ArrayBatch | None, now: float, out: list[Item]) -> bool:
        """Deal with the next packets; whether to go on with those behind."""
        if count <= 0:
            return False
        packets = self._buffer
        whole = count * PACKET_BYTES == len(packets)
        if not whole:
            packets = packets[: count * PACKET_BYTES]
        run = Run(packets, self.routes, heads if whole else None)
        self._cuts = []
        end = self._walk(run, now)
        run.note_counters(self._counters, end)
        if self.begun:
            self.chunker.lead += self.sounds.take(run, end)
            self.references.settle(run)
            self.chunker.cut(run, end, self._cuts, out)
            for strand in self.plan.by_pid.values():
                strand.catch_up()
        elif self.program is not None:
            self._early.keep(bytes(packets[: end * PACKET_BYTES]), now)
        rest = packets[end * PACKET_BYTES :]
        self._buffer = rest if whole else rest + self._buffer[count * PACKET_BYTES :]
        self._base += end
        return end == count and not whole

    def follow(self, program: Program) -> None:
        """Take another map of the program."""
        self.program = program
        self.finish()
        former = {*self.plan.by_pid.values()}
        for strand in self.plan.follow(program):
            self.routes.passes[strand.pid] = False
            self.routes.count_on(strand.pid, 0)
        strands = self.plan.by_pid.values()
        self.chunker.bring_back(strand for strand in strands if strand not in former)
        self.routes.follow({strand.pid: strand.slot.writer.pid for strand in strands})
        self.references.pid = program.map.pcr_pid
        self.chunker.tables_due = None

    def _walk(self, run: Run, now: float) -> int:
        """Look at the remarkable rows; where more bytes are needed, or the end."""
        data = run.data
        by_pid = self.plan.by_pid
        for row in run.remarkable():
            at = row * PACKET_BYTES
            strand = by_pid[(data[at + 1] & 0x1F) << 8 | data[at + 2]]
            if not self._packet(run, row, strand, now):
                return row
        return run.count

    def _packet(self, run: Run, row: int, strand: Strand, now: float) -> bool:
        """Move the times of a packet; False if more bytes are needed."""
        if row in run.repeats:
            return True
        data = run.data
        at = row * PACKET_BYTES
        control = data[at + 3]
        if data[at + 1] & 0x40 and control & 0x10 and strand.cargo is not Cargo.BARE_CLOCK:
            if self.begun and strand is self.plan.leader and self._stops(row, control):
                return False
            if control & SCRAMBLED:
                self._sealed_unit(run, row, strand, now)
            elif not self._unit(run, row, strand, now):
                return False
        if control & 0x20 and data[at + 4] and data[at + 5] & CLOCK_FLAGS:
            self._clock(run, row, strand, now)
        return True

    def _stops(self, row: int, control: int) -> bool:
        """Whether nothing passes from a unit on, or another epoch has to begin there.

        That is so where scrambling begins or ends.
        """
        if self.halts:
            self.halted = True
            return True
        scrambled = control & SCRAMBLED != 0
        if scrambled is not self.sealed:
            entry = self._entries.get(self._base + row)
            if scrambled:
                self.turned = "scrambling began"
            elif entry is not None and entry.rap:
                self.turned = "scrambling ended"
        return bool(self.turned)

    def _clock(self, run: Run, row: int, strand: Strand, now: float) -> None:
        """Move the clock references of a packet."""
        at = row * PACKET_BYTES
        base = read_clock(run.data, at)
        if base is not None:
            self._pcr = self._unwrap(base)
        if not self.begun:
            return
        if strand.cargo is Cargo.CLOCK and not strand.open:
            self._open(run, row, strand)
        if self._pcr is not None and base is not None and self.references.passes(run, row, strand):
            offset = self.clock.tick(self._pcr, now)
            if not self.sealed:
                move_clocks(run.data, at, offset)

    def _sealed_unit(self, run: Run, row: int, strand: Strand, now: float) -> None:
        """Let a scrambled unit pass, at the time of the clock."""
        time = self._pcr
        if strand is not self.plan.leader:
            if self.begun and not strand.open:
                self._open(run, row, strand)
            return
        entry = self._entries.pop(self._base + row, None)
        if time is None or entry is None:
            return
        if not self.begun:
            if not entry.rap:
                return
            self.sealed = True
            self._begin(run, Unit(row, time, time, now), video=strand.cargo is Cargo.PICTURE)
        if not strand.open:
            self._open(run, row, strand)
        offset = self.clock.place(strand.pid, time, now, leads=True)
        self.timeline.passed(time + offset, time + offset, video=strand.cargo is Cargo.PICTURE)
        strand.units += 1
        self._cut(Unit(row, time, time, now), offset, 0, entry, 0)

    def _unit(self, run: Run, row: int, strand: Strand, now: float) -> bool:
        """Take the start of a unit; False if more bytes are needed."""
        match strand.cargo:
            case Cargo.CUES:
                return self._cue(run, row, strand)
            case Cargo.SECTIONS | Cargo.CLOCK:
                if self.begun and not strand.open:
                    self._open(run, row, strand)
                return True
            case _:
                return self._pes(run, row, strand, now)

    def _pes(self, run: Run, row: int, strand: Strand, now: float) -> bool:
        spans = head_spans(run, row, strand.pid, hasty=self._hasty)
        if spans is None:
            return False
        stamps = stamps_at(run, spans)
        if stamps is None:
            if self.begun and strand.cargo is Cargo.DATA and not strand.open:
                self._open(run, row, strand)
            return True
        late = (stamps.pts - stamps.dts) & TIMESTAMP_MASK
        dts = self._unwrap(stamps.dts)
        # Of a damaged time nothing else may depend.
        unit = Unit(row, dts + late if late <= REORDER_MAX else dts, dts, now)
        match strand.cargo:
            case Cargo.PICTURE:
                offset = self._picture(run, unit, strand)
            case Cargo.SOUND:
                offset = self._sound(run, unit, strand)
            case _:
                offset = self._data(run, unit, strand)
        if offset is not None and not self.sealed:
            move_stamps(run, spans, stamps, offset)
        return True

    def _picture(self, run: Run, unit: Unit, strand: Strand) -> int | None:
        """Decide about a picture; the offset of its times, None if it does not pass."""
        if strand is not self.plan.leader:
            return self._sound(run, unit, strand)
        entry = self._entries.pop(self._base + unit.row, None)
        first = entry is not None and entry.rap and self._point(run, unit, strand)
        if strand.start is Start.WAITING:
            self.dropped += 1
            return None
        leads = entry.flags & LEADING if entry is not None else not strand.open
        if leads and strand.start is Start.FIRST:
            self._leave_out(run, unit, strand)
            return None
        if not strand.open:
            self._open(run, unit.row, strand)
        offset = self.clock.place(strand.pid, unit.dts, unit.now, leads=True)
        step = self.clock.lines[strand.pid].step
        self.timeline.passed(unit.pts + step + offset, unit.dts + offset, video=True)
        if entry is not None:
            strand.units += 1
            self._cut(unit, offset, step, entry, 0 if first else entry.flags)
        return offset

    def _point(self, run: Run, unit: Unit, strand: Strand) -> bool:
        """Take a random-access point; whether it is the first one."""
        at = unit.row * PACKET_BYTES
        if self._sets.changed(strand.codec, bytes(run.data[at : at + PACKET_BYTES])):
            self.doubted = strand.pid
        if not self.begun:
            self._begin(run, unit, video=True)
        first = strand.start is Start.WAITING
        strand.start = Start.FIRST if first else Start.PAST
        return first

    def _leave_out(self, run: Run, unit: Unit, strand: Strand) -> None:
        """Drop a picture that leads the first random-access point, or its second field."""
        self.dropped += 1
        if strand.open:
            run.close(strand.pid, unit.row)
            self.chunker.count(strand, run.data[unit.row * PACKET_BYTES + 3] & 15)
            strand.open = False

    def _sound(self, run: Run, unit: Unit, strand: Strand) -> int | None:
        """Decide about a unit of sound; the offset of its times, None if it does not pass."""
        leads = strand is self.plan.leader
        if not self.begun:
            waited = unit.now - (self._first_arrival or unit.now)
            if not leads and waited < PICTURE_WAIT_S:
                return None
            self._begin(run, unit, video=False)
        entry = self._entries.pop(self._base + unit.row, None) if leads else None
        if not strand.open:
            if not self.sounds.begins(run, unit.row, unit.pts, strand):
                self.dropped += 1
                return None
            self._open(run, unit.row, strand)
        offset = self.clock.place(strand.pid, unit.dts, unit.now, leads=leads)
        line = self.clock.lines[strand.pid]
        self.timeline.passed(unit.pts + line.longest + offset, unit.dts + offset, video=False)
        strand.units += 1
        if entry is not None:
            self._cut(unit, offset, line.step, entry, 0)
        return offset

    def _data(self, run: Run, unit: Unit, strand: Strand) -> int | None:
        """Decide about a unit of data; the offset of its times, None if it does not pass."""
        if strand is self.plan.leader:
            return self._sound(run, unit, strand)
        if not self.begun:
            return None
        if not strand.open:
            self._open(run, unit.row, strand)
        strand.units += 1
        return self.clock.near(unit.pts, unit.now, self.timeline.last_dts)

    def _cut(self, unit: Unit, offset: int, step: int, entry: Entry, flags: int) -> None:
        start = unit.pts + offset
        counters = self.chunker.counted(entry.counters)
        cut = Cut(unit.row, start, start + step, unit.dts + offset, entry.rap, flags, counters)
        self._cuts.append(cut)

    def _cue(self, run: Run, row: int, strand: Strand) -> bool:
        """Move the time of a splice cue; False if more bytes are needed."""
        if not self.begun:
            return True
        offset = 0 if self.sealed else self.clock.leading
        if offset and not move_cue(run, row, strand.pid, offset, hasty=self._hasty):
            return False
        if not strand.open:
            self._open(run, row, strand)
        return True

    def _open(self, run: Run, row: int, strand: Strand) -> None:
        """Let a strand pass, its counters going on from those of its place in the lane."""
        control = run.data[row * PACKET_BYTES + 3]
        before = (control - (control >> 4 & 1)) & 15
        slot = strand.slot
        if slot.fresh:
            slot.writer.continuity = (before + 1) & 15
            slot.fresh = False
        strand.open = True
        self.routes.count_on(strand.pid, slot.writer.continuity + strand.ahead - 1 - before)
        run.open(strand.pid, row)

    def _begin(self, run: Run, unit: Unit, *, video: bool) -> None:
        """Begin the epoch at this unit."""
        timeline = self.timeline
        offset = timeline.offset_for(pts=unit.pts, dts=unit.dts, now=unit.now, video=video)
        self.clock.offset = offset
        self.sounds = SoundStart(timeline, unit.dts + offset, None if self.sealed else offset)
        self.chunker.time = unit.pts + offset
        self.begun = True
        self._begin_epoch()
        if video:
            self.chunker.lead = self._replay(run, unit)
        for strand in self.plan.by_pid.values():
            if strand.open:
                run.open(strand.pid, unit.row)

    def _replay(self, run: Run, unit: Unit) -> bytes:
        """The sound that came before the first picture and belongs behind what was heard last."""
        early = self._early.take() + run.data[: unit.row * PACKET_BYTES]
        if not early:
            return b""
        past = Run(bytearray(early), self.routes)
        past.early = True
        for row in past.remarkable():
            at = row * PACKET_BYTES
            pid = (early[at + 1] & 0x1F) << 8 | early[at + 2]
            strand = self.plan.by_pid[pid]
            if strand.cargo is Cargo.SOUND:
                self._packet(past, row, strand, unit.now)
        inserted = self.sounds.take(past, past.count, unit.row)
        return inserted + past.written(past.count).data
