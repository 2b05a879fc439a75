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

from streamctl.engine.chunker import Chunker, Cut
from streamctl.engine.programclock import ProgramClock
from streamctl.engine.routing import Routes, Run
from streamctl.engine.splice import PICTURE_WAIT_S
from streamctl.engine.strand import Cargo, Plan, Start, Strand
from streamctl.media.mpegts.index import Entry, ProgramChange
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.pes import TIMESTAMP_MASK
from streamctl.media.mpegts.restamp import (
    CLOCK_FLAGS,
    HEAD_BYTES,
    Spans,
    Stamps,
    gather,
    move_clocks,
    move_stamp,
    moved_cue,
    payload_spans,
    payload_start,
    read_clock,
    read_stamps,
    scatter,
)
from streamctl.media.packet import TIMESCALE, Flag
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.engine.timeline import Timeline
    from streamctl.media.mpegts.batch import ArrayBatch
    from streamctl.media.mpegts.index import Event
    from streamctl.media.mpegts.program import Program
    from streamctl.media.packet import Item

CLOCK_KEY = -1
"""By which the program clock knows its own references."""
EARLY_S = 2.0
"""Sound that came this long before the first picture may still be wanted."""
EARLY_BYTES = 8_388_608
"""The same in bytes: 2 s at 32 Mbit/s."""
WAIT_S = 0.1
"""How long packets wait for bytes that a decision needs."""
WAIT_BYTES = 512 * PACKET_BYTES
"""The same in bytes; the head of a picture is a few packets long."""
HEAD_PACKETS = 64
"""Packets of a unit that are looked at for its times; the longest cue fills 23."""
CUE_BYTES = 4098
"""The longest section (SCTE 35 §9.6.1)."""
ENTRIES_MAX = 1000
"""Units that are told, but never come by, as those of a PID that is damaged."""
LEADING = int(Flag.LEADING)
"""As a plain number, since the bits of an enum are slow to test."""


@dataclass(slots=True)
class Found:
    """Whole packets, and what the index found in them."""

    packets: bytes | bytearray | memoryview
    events: list[Event]
    heads: ArrayBatch | None
    """Their headers, if they were read as arrays."""
    counters: bytearray
    """The last counter that came, by PID; of all of them until now, and followed on."""
    decided: int
    """All about packets before this one is known, counted from the first one of the source."""


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
        self.chunker = Chunker(self.plan, self.routes, epoch, broken=bool(plan.pids.slots))
        self.begun = False
        self.dropped = 0
        """Units before the start of their stream, and pictures that lead the first one."""
        self.program: Program | None = None
        self._begin_epoch = begin
        self._unwrap = Unwrapper(33).unwrap
        self._buffer = bytearray()
        self._base = 0
        """Number of the first packet in the buffer."""
        self._waits_since: float | None = None
        self._entries: dict[int, Entry] = {}
        """What the index tells of the units of the leading stream, by packet."""
        self._changes: deque[ProgramChange] = deque()
        self._early: deque[tuple[float, bytes]] = deque()
        self._early_bytes = 0
        self._first_arrival: float | None = None
        self._sound_from = 0
        self._hasty = False
        """Decide with the bytes there are."""
        self._cuts: list[Cut] = []
        self._counters = bytearray()

    def feed(self, found: Found, now: float) -> list[Item]:
        """Chunks out of whole packets."""
        if self._first_arrival is None:
            self._first_arrival = now
        self._counters = found.counters
        for event in found.events:
            if isinstance(event, Entry):
                self._entries[event.packet] = event
            elif isinstance(event, ProgramChange):
                self._changes.append(event)
        since = self._waits_since
        size = len(self._buffer)
        self._hasty = since is not None and (now - since > WAIT_S or size > WAIT_BYTES)
        out: list[Item] = []
        heads = found.heads if not size else None
        self._buffer += found.packets
        while self._advance(min(found.decided - self._base, self._limit()), heads, now, out):
            heads = None
        self._waits_since = (now if since is None else since) if self._buffer else None
        if len(self._entries) > ENTRIES_MAX:
            self._entries = {at: one for at, one in self._entries.items() if at >= self._base}
        return out

    def finish(self) -> None:
        """Leave the lane's counters where they stand."""
        if self._counters:
            pids = self.plan.by_pid
            self.chunker.keep_counters({pid: self._counters[pid] + 1 for pid in pids})

    def successor(self, epoch: int) -> Passage:
        """A fresh start with the packets to come, as another epoch."""
        self.finish()
        plan = Plan(self.plan.pids)
        fresh = Passage(plan, self.timeline, epoch, self._begin_epoch)
        fresh._base, fresh._buffer = self._base, self._buffer
        fresh._entries, fresh._changes = self._entries, self._changes
        if self.program is not None:
            fresh._follow(self.program)
        return fresh

    def _limit(self) -> int:
        """How many packets there are before the program changes."""
        packets = len(self._buffer) // PACKET_BYTES
        while self._changes and self._changes[0].packet < self._base:
            self._follow(self._changes.popleft().program)
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
        if self.begun:
            self.chunker.cut(run, end, self._cuts, out)
        else:
            self._keep_early(bytes(packets[: end * PACKET_BYTES]), now)
        # Views may still be held of the former buffer, which can't shrink then.
        self._buffer = bytearray() if whole and end == count else self._buffer[end * PACKET_BYTES :]
        self._base += end
        return end == count and not whole

    def _follow(self, program: Program) -> None:
        """Take another map of the program."""
        self.program = program
        self.finish()
        for strand in self.plan.follow(program):
            self.routes.passes[strand.pid] = False
        strands = self.plan.by_pid.values()
        self.routes.follow({strand.pid: strand.slot.writer.pid for strand in strands})
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
        data = run.data
        at = row * PACKET_BYTES
        control = data[at + 3]
        if data[at + 1] & 0x40 and control & 0x10 and not self._unit(run, row, strand, now):
            return False
        if control & 0x20 and data[at + 4] and data[at + 5] & CLOCK_FLAGS and self.begun:
            base = read_clock(data, at)
            if strand.cargo is Cargo.CLOCK and not strand.open:
                self._open(run, row, strand)
            if base is not None and strand.open:
                offset = self.clock.place(CLOCK_KEY, self._unwrap(base), now)
                move_clocks(data, at, offset)
        return True

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
        data = run.data
        at = row * PACKET_BYTES
        start = payload_start(data, at)
        spans: Spans = [(start, at + PACKET_BYTES)]
        if at + PACKET_BYTES - start < HEAD_BYTES:
            rows, ended = self._unit_rows(run, row, strand)
            spans = payload_spans(data, rows, HEAD_BYTES)
            have = sum(end - first for first, end in spans)
            if have < HEAD_BYTES and not ended and not self._hasty:
                return False
        stamps = read_stamps(gather(data, [(a, min(b, a + HEAD_BYTES)) for a, b in spans]))
        if stamps is None:
            if self.begun and strand.cargo is Cargo.DATA and not strand.open:
                self._open(run, row, strand)
            return True
        pts = self._unwrap(stamps.pts)
        dts = pts - ((stamps.pts - stamps.dts) & TIMESTAMP_MASK)
        unit = Unit(row, pts, dts, now)
        match strand.cargo:
            case Cargo.PICTURE:
                offset = self._picture(run, unit, strand)
            case Cargo.SOUND:
                offset = self._sound(run, unit, strand)
            case _:
                offset = self._data(run, unit, strand)
        if offset is not None:
            self._move(run, spans, stamps, offset)
        return True

    def _picture(self, run: Run, unit: Unit, strand: Strand) -> int | None:
        """Decide about a picture; the offset of its times, None if it does not pass."""
        if strand is not self.plan.leader:
            return self._sound(run, unit, strand)
        entry = self._entries.pop(self._base + unit.row, None)
        first = False
        if entry is not None and entry.rap:
            if not self.begun:
                self._begin(run, unit, video=True)
            first = strand.start is Start.WAITING
            strand.start = Start.FIRST if first else Start.PAST
        if strand.start is Start.WAITING:
            self.dropped += 1
            return None
        if entry is not None and entry.flags & LEADING and strand.start is Start.FIRST:
            self.dropped += 1
            if strand.open:
                last = run.close(strand.pid, unit.row)
                if last is not None:
                    self.chunker.count(strand, last + 1)
                strand.open = False
            return None
        if not strand.open:
            self._open(run, unit.row, strand)
        offset = self.clock.place(strand.pid, unit.dts, unit.now)
        step = self.clock.lines[strand.pid].step
        self.timeline.passed(unit.pts + step + offset, unit.dts + offset, video=True)
        if entry is not None:
            strand.units += 1
            self._cut(unit, offset, step, entry, 0 if first else entry.flags)
        return offset

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
            if unit.pts + self.clock.offset < self._sound_from:
                self.dropped += 1
                return None
            self._open(run, unit.row, strand)
        offset = self.clock.place(strand.pid, unit.dts, unit.now)
        step = self.clock.lines[strand.pid].step
        self.timeline.passed(unit.pts + step + offset, unit.dts + offset, video=False)
        strand.units += 1
        if entry is not None:
            self._cut(unit, offset, step, entry, 0)
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
        cut = Cut(
            unit.row, start, start + step, unit.dts + offset, entry.rap, flags, entry.counters
        )
        self._cuts.append(cut)

    def _cue(self, run: Run, row: int, strand: Strand) -> bool:
        """Move the time of a splice cue; False if more bytes are needed."""
        if not self.begun:
            return True
        data = run.data
        rows, ended = self._unit_rows(run, row, strand)
        spans = payload_spans(data, rows, CUE_BYTES)
        whole = gather(data, spans)
        begin = whole[0] + 1 if whole else 0
        size = (
            3 + ((whole[begin + 1] & 15) << 8 | whole[begin + 2]) if len(whole) > begin + 2 else 0
        )
        if not size or len(whole) < begin + size:
            if not ended and not self._hasty:
                return False
        elif (
            moved := moved_cue(bytes(whole[begin : begin + size]), self.clock.offset)
        ) is not None:
            whole[begin : begin + size] = moved
            scatter(data, spans, whole)
        if not strand.open:
            self._open(run, row, strand)
        return True

    def _unit_rows(self, run: Run, row: int, strand: Strand) -> tuple[list[int], bool]:
        """Where the packets of a unit stand, and whether no more of it will come."""
        packets = [row * PACKET_BYTES]
        for other in run.rows_of(strand.pid, row + 1):
            at = other * PACKET_BYTES
            if run.data[at + 1] & 0x40 or len(packets) == HEAD_PACKETS:
                return packets, True
            packets.append(at)
        return packets, False

    def _move(self, run: Run, spans: Spans, stamps: Stamps, offset: int) -> None:
        """Move the timestamps of a PES packet."""
        if len(spans) == 1:
            start = spans[0][0]
            move_stamp(run.data, start + 9, offset)
            if stamps.has_dts:
                move_stamp(run.data, start + 14, offset)
            return
        head = gather(run.data, spans)
        move_stamp(head, 9, offset)
        if stamps.has_dts:
            move_stamp(head, 14, offset)
        scatter(run.data, spans, head)

    def _open(self, run: Run, row: int, strand: Strand) -> None:
        """Let a strand pass, its counters going on from those of its place in the lane."""
        control = run.data[row * PACKET_BYTES + 3]
        before = (control - (control >> 4 & 1)) & 15
        slot = strand.slot
        if slot.fresh:
            slot.writer.continuity = (before + 1) & 15
            slot.fresh = False
        strand.open = True
        self.routes.count_on(strand.pid, slot.writer.continuity - 1 - before)
        run.open(strand.pid, row)

    def _begin(self, run: Run, unit: Unit, *, video: bool) -> None:
        """Begin the epoch at this unit."""
        timeline = self.timeline
        offset = timeline.offset_for(pts=unit.pts, dts=unit.dts, now=unit.now, video=video)
        self.clock.offset = offset
        start = unit.dts + offset
        recent = start - timeline.audio_end <= EARLY_S * TIMESCALE
        self._sound_from = timeline.audio_end if recent else start
        self.begun = True
        self._begin_epoch()
        if video:
            self.chunker.lead = self._replay(run, unit)
        for strand in self.plan.by_pid.values():
            if strand.open:
                run.open(strand.pid, unit.row)

    def _replay(self, run: Run, unit: Unit) -> bytes:
        """The sound that came before the first picture and belongs behind what was heard last."""
        early = b"".join(data for _, data in self._early)
        self._early.clear()
        early += run.data[: unit.row * PACKET_BYTES]
        past = Run(bytearray(early), self.routes)
        for row in past.remarkable():
            at = row * PACKET_BYTES
            pid = (early[at + 1] & 0x1F) << 8 | early[at + 2]
            strand = self.plan.by_pid[pid]
            if strand.cargo is Cargo.SOUND:
                self._packet(past, row, strand, unit.now)
        return past.written(past.count).data

    def _keep_early(self, data: bytes, now: float) -> None:
        early = self._early
        early.append((now, data))
        self._early_bytes += len(data)
        while now - early[0][0] > EARLY_S or self._early_bytes > EARLY_BYTES:
            self._early_bytes -= len(early.popleft()[1])
