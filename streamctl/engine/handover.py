"""Where the sound of one epoch of MPEG-TS ends and that of the next begins, to the frame.

PES packets of sound hold many frames, and rarely does one end where another input begins. What
was written is looked at once more when its epoch ends, so that its last whole frame is known;
of the PES packet in which that time lies in the next input, the frames behind are written anew.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from streamctl.engine.strand import Cargo
from streamctl.engine.timeline import ORIGIN
from streamctl.media.mpegts.assemble import Pes, PesAssembler
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.packet import PACKET_BYTES, PAYLOAD_START, PacketWriter
from streamctl.media.mpegts.pes import TIMESTAMP_MASK
from streamctl.media.mpegts.soundcut import SLACK, sound_frames, sound_pes
from streamctl.media.packet import TIMESCALE, Chunk

if TYPE_CHECKING:
    from streamctl.engine.lane import Lane
    from streamctl.engine.passage import Passage
    from streamctl.engine.routing import Run
    from streamctl.engine.strand import Strand
    from streamctl.engine.timeline import Timeline

EARLY_S = 2.0
"""Sound that came, or belongs, so long before the first picture may still be wanted."""
EARLY_BYTES = 8_388_608
"""The same in bytes: 2 s at 32 Mbit/s."""
LOOKED_BYTES = 16_777_216
"""How far back the last sound is searched for: 2 s at 60 Mbit/s."""


class Early:
    """What came lately, before there was a picture to begin at."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, bytes]] = deque()
        self.bytes = 0

    def keep(self, data: bytes, now: float) -> None:
        """Keep packets, and let go of what is too old."""
        pieces = self._pieces
        pieces.append((now, data))
        self.bytes += len(data)
        while pieces and (now - pieces[0][0] > EARLY_S or self.bytes > EARLY_BYTES):
            self.bytes -= len(pieces.popleft()[1])

    def take(self) -> bytes:
        """All of it; nothing is kept any more."""
        data = b"".join(data for _, data in self._pieces)
        self._pieces.clear()
        self.bytes = 0
        return data


class SoundCut:
    """A PES packet that begins too early, of which some frames may be wanted."""

    def __init__(self, strand: Strand, row: int, pts: int, wanted: int) -> None:
        self.strand = strand
        self.row = row
        """Where its next packet may stand in the run that is looked at."""
        self._pts = pts
        """Of the packet, as the source says it."""
        self._wanted = wanted
        """From when on frames are wanted, on the same clock."""
        self._assembler = PesAssembler()
        self._found: list[Pes] = []

    def collect(self, run: Run, end: int) -> None:
        """Take the packets before a row."""
        for row in run.rows_of(self.strand.pid, self.row):
            if row >= end:
                break
            at = row * PACKET_BYTES
            self._assembler.packet(bytes(run.data[at : at + PACKET_BYTES]), self._found)
        self.row = end

    def finish(self) -> None:
        """Nothing more of it comes."""
        if not self._found:
            self._assembler.flush(self._found)

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return bool(self._found)

    def rest(self, offset: int) -> tuple[bytes, int] | None:
        """Packets with the frames that are wanted, and where the last of them ends.

        They count on from the place of the strand in the lane.
        """
        strand = self.strand
        if not self._found or strand.codec is None:
            return None
        pes = self._found[0]
        frames = sound_frames(strand.codec, pes)
        rest = frames.since(self._pts, self._wanted) if frames is not None else None
        if frames is None or rest is None:
            return None
        pts, payload = rest
        writer = PacketWriter(strand.slot.writer.pid)
        writer.continuity = (strand.slot.writer.continuity + strand.ahead) & 15
        data = writer.unit(sound_pes(pes.header.stream_id, pts + offset, payload))
        strand.slot.fresh = False
        strand.ahead += len(data) // PACKET_BYTES
        return data, frames.end(self._pts) + offset


class SoundStart:
    """Decides where the sound of an epoch begins, on each of its strands."""

    def __init__(self, timeline: Timeline, start: int, offset: int | None = None) -> None:
        """``start`` is where the epoch begins on the timeline, ``offset`` leads there.

        Without an offset nothing can be cut.
        """
        self.timeline = timeline
        self.offset = offset
        self._start = start
        self._ends = dict(timeline.sound_ends)
        self._end = timeline.audio_end
        self._goes_on = timeline.audio_end > ORIGIN
        """There was sound before; else whole packets are good enough."""
        self._cuts: dict[int, SoundCut] = {}
        """PES packets that may be wanted in part, by PID."""
        self._ready = b""

    def begins(self, run: Run, row: int, pts: int, strand: Strand) -> bool:
        """Whether a strand passes from this PES packet on; else maybe from inside of it."""
        offset = self.offset or 0
        wanted = self.wanted(strand.slot.writer.pid) - offset
        cut = self._cuts.pop(strand.pid, None)
        if cut is not None:
            cut.collect(run, row)
            cut.finish()
            self._write(cut)
        if pts >= wanted - SLACK:
            return True
        if strand.cargo is Cargo.SOUND and self.offset is not None and self._goes_on:
            self._cuts[strand.pid] = SoundCut(strand, row, pts, wanted)
        return False

    def take(self, run: Run, end: int, following: int = 0) -> bytes:
        """The packets that belong in front of those before the row ``end``.

        The next run begins anew, or goes on at the row ``following``.
        """
        for pid, cut in list(self._cuts.items()):
            cut.collect(run, end)
            cut.row = following
            if cut.whole:
                del self._cuts[pid]
                self._write(cut)
        ready, self._ready = self._ready, b""
        return ready

    def heard_until(self, pid: int, end: int) -> None:
        """Something else was heard on a PID of the lane meanwhile."""
        self._ends[pid] = end
        self._goes_on = True

    @property
    def heard(self) -> bool:
        """Whether sound of the epoch has passed, and nothing stood in for it since."""
        return self.timeline.audio_end > max([self._end, *self._ends.values()])

    def wanted(self, pid: int) -> int:
        """From when on sound of a PID is wanted, on the timeline."""
        end = self._ends.get(pid, self._end)
        return end if self._start - end <= EARLY_S * TIMESCALE else self._start

    def _write(self, cut: SoundCut) -> None:
        """Write the frames of a PES packet that are wanted."""
        rest = cut.rest(self.offset or 0)
        if rest is not None:
            data, end = rest
            self._ready += data
            cut.strand.units += 1
            self.timeline.passed(end, end, video=False)


def note_sound_ends(lane: Lane, passage: Passage, timeline: Timeline) -> None:
    """Note where the sound ends that an epoch has written, to the last whole frame."""
    if not passage.begun or passage.sealed:
        return
    epoch, plan, known = passage.chunker.epoch, passage.plan, True
    ends: dict[int, int] = {}
    for strand in plan.by_pid.values():
        if strand.cargo is Cargo.SOUND:
            end = sound_end(lane, epoch, strand, timeline.audio_end)
            if end is not None:
                ends[strand.slot.writer.pid] = end
            known = known and (end is not None or not strand.units)
    if plan.promised is not None and plan.promised.pid in timeline.sound_ends:
        ends[plan.promised.pid] = timeline.sound_ends[plan.promised.pid]
    timeline.sound_ends = ends
    if known and ends:
        timeline.audio_end = max(ends.values())


def sound_end(lane: Lane, epoch: int, strand: Strand, near: int) -> int | None:
    """Where the sound of a strand ends, near a time; None if that can't be told."""
    pes = last_pes(lane, epoch, strand.slot.writer.pid)
    if pes is None or pes.header.pts is None or strand.codec is None:
        return None
    frames = sound_frames(strand.codec, pes)
    return None if frames is None else frames.end(unwrapped(pes.header.pts, near))


def last_pes(lane: Lane, epoch: int, pid: int) -> Pes | None:
    """The last PES packet of a PID, as far as it was written; None if none is near."""
    found: list[bytes] = []
    looked = 0
    for item in reversed(lane.items):
        if not isinstance(item, Chunk) or item.epoch != epoch or looked > LOOKED_BYTES:
            return None
        looked += len(item.data)
        data = np.frombuffer(item.data, np.uint8).reshape(-1, PACKET_BYTES)
        rows = np.flatnonzero(ArrayBatch(item.data).pids == pid)
        starts = rows[data[rows, 1] & PAYLOAD_START != 0]
        begin = int(starts[-1]) if len(starts) else 0
        found.append(data[rows[rows >= begin]].tobytes())
        if len(starts):
            break
    packets = b"".join(reversed(found))
    assembler, done = PesAssembler(), list[Pes]()
    for at in range(0, len(packets), PACKET_BYTES):
        assembler.packet(packets[at : at + PACKET_BYTES], done)
    assembler.flush(done)
    return done[0] if done else None


def unwrapped(time: int, near: int) -> int:
    """A time of 33 bits as the one that is nearest to another."""
    half = (TIMESTAMP_MASK + 1) // 2
    return near + ((time - near + half) & TIMESTAMP_MASK) - half
