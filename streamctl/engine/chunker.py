"""Makes the chunks of an ``mpegts`` lane out of packets that pass through.

Cut before each picture, with tables in front of random-access points and every half second, and
with what a joiner needs: for each PID a packet that announces its next counter (ISO/IEC 13818-1
§2.4.3.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.packet import TIMESCALE, Chunk, Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamctl.engine.routing import Routes, Run, Written
    from streamctl.engine.strand import Plan, Strand
    from streamctl.media.mpegts.packet import PacketWriter
    from streamctl.media.packet import Item

TABLES_INTERVAL = TIMESCALE * 400 // 1000
"""Tables are due after this; with one more picture they stay within half a second."""
LEADING = int(Flag.LEADING)
"""As a plain number, since the bits of an enum are slow to test."""


@dataclass(slots=True)
class Cut:
    """A place where a picture begins, or sound in a program without pictures."""

    row: int
    start: int
    """Presentation time on the timeline, 90 kHz."""
    end: int
    dts: int
    rap: bool
    flags: int
    counters: dict[int, int]
    """Of a random-access point: the next counters of what passes, by PID of the lane."""


class Chunker:
    """Cuts what one epoch writes."""

    def __init__(self, plan: Plan, routes: Routes, epoch: int, *, broken: bool) -> None:
        self.plan = plan
        self.routes = routes
        self.epoch = epoch
        self.broken = broken
        """Something else was written before: receivers must be told."""
        self._returned: list[PacketWriter] = []
        """Of streams that the next tables bring back: who skipped what was there meanwhile has to
        be told of their counters."""
        self.lead = b""
        """Packets that belong in front of the first picture."""
        self.tables_due: int | None = None
        """Decoding time from which tables are due; None = now."""
        self.time = 0
        """Presentation time of the picture that is being written, or where all begins."""
        self._flags = 0

    def cut(self, run: Run, end: int, cuts: Sequence[Cut], out: list[Item]) -> None:
        """Append the chunks of the rows before ``end``."""
        written = run.written(end)
        total = written.count
        places = [written.place(cut.row) for cut in cuts]
        stops = [*places, total]
        if stops[0]:
            self._piece(written, 0, stops[0], None, out)
        for cut, start, stop in zip(cuts, places, stops[1:], strict=True):
            self._piece(written, start, stop, cut, out)

    def _piece(
        self, written: Written, start: int, stop: int, cut: Cut | None, out: list[Item]
    ) -> None:
        data = written.data
        if start or stop < written.count:
            data = data[start * PACKET_BYTES : stop * PACKET_BYTES]
        if cut is None:
            front = self._front()
            chunk = Chunk(front + data, self.time, self.time, False, False, self.epoch)
        else:
            front, join = self._picture(cut, out)
            data = front + data
            chunk = Chunk(data, cut.start, cut.end, cut.rap, True, self.epoch, join)
        leader = self.plan.leader
        if self._flags & LEADING and leader is not None:
            # For those who go without this picture, the counters go on behind it.
            others, last = written.without(leader.pid, start, stop)
            if last is not None:
                self.count(leader, last + 1)
            chunk.join = front + others + leader.slot.writer.discontinuity()
        chunk.flags = self._flags
        out.append(chunk)

    def bring_back(self, strands: Iterable[Strand]) -> None:
        """Announce with the next tables where the counters of these go on from before."""
        slots = [] if self.broken else [strand.slot for strand in strands]
        writers = [slot.writer for slot in slots if not slot.fresh]
        self._returned += [writer for writer in writers if writer not in self._returned]

    def _front(self) -> bytes:
        """What belongs in front of packets that no picture begins with."""
        front = b""
        if self.tables_due is None:
            self.tables_due = 0
            front = self._signals(None) if self.broken else b""
            front += self._tables()
            self.broken = False
        front, self.lead = front + self.lead, b""
        return front

    def _picture(self, cut: Cut, out: list[Item]) -> tuple[bytes, bytes]:
        """What belongs in front of a picture, and what whoever joins there gets before."""
        self.time = cut.start
        self._flags = cut.flags
        join = self._signals(cut) if cut.rap or self.broken else b""
        if self.broken:
            self.broken = False
            out.append(Chunk(join, cut.start, cut.start, False, False, self.epoch))
        front, self.lead = self.lead, b""
        if cut.rap or self.tables_due is None or cut.dts >= self.tables_due:
            self.tables_due = cut.dts + TABLES_INTERVAL
            front = self._tables() + front
        return front, join if cut.rap else b""

    def _tables(self) -> bytes:
        returned, self._returned = self._returned, []
        announced = [writer.discontinuity() for writer in returned]
        return self.plan.pids.tables() + b"".join(announced)

    def _signals(self, cut: Cut | None) -> bytes:
        """What announces the counters to come, with the packets in front and behind this cut."""
        written = {
            strand.slot.writer.pid: strand.slot.writer.continuity + strand.ahead
            for strand in self.plan.by_pid.values()
            if strand.ahead
        }
        told = cut.counters if cut is not None else {}
        counters = written | told | first_counters(self.lead)
        return self.plan.pids.discontinuities(self.plan.writers, counters)

    def counted(self, counters: Mapping[int, int]) -> dict[int, int]:
        """Counters as they come, of what passes now, as they are written: by PID of the lane."""
        return {
            strand.slot.writer.pid: self.routes.counted(strand.pid, counters[strand.pid])
            for strand in self.plan.by_pid.values()
            if strand.open and strand.pid in counters
        }

    def keep_counters(self, last: bytearray) -> None:
        """Let the lane know which counters come next, by those that came last on each PID."""
        for strand in self.plan.by_pid.values():
            if strand.open:
                self.count(strand, last[strand.pid] + 1)

    def count(self, strand: Strand, counter: int) -> None:
        """Note the counter of the next packet of a strand, as it comes."""
        strand.slot.writer.continuity = self.routes.counted(strand.pid, counter)


def first_counters(packets: bytes) -> dict[int, int]:
    """The counter of the first packet of each PID."""
    found: dict[int, int] = {}
    for at in range(0, len(packets), PACKET_BYTES):
        pid = (packets[at + 1] & 0x1F) << 8 | packets[at + 2]
        found.setdefault(pid, packets[at + 3] & 15)
    return found
