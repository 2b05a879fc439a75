"""What goes on across epochs in a transport stream: PIDs, continuity counters, tables.

One such map belongs to each ``mpegts`` lane. The multiplexer and the restamper of passed-through
streams take turns with it, so that receivers see one program whose PIDs keep their meaning and
whose counters and versions go on, whoever writes. Specification: ISO/IEC 13818-1 §2.4.3.3
(counters), §2.4.4 (tables).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.psi import (
    ISO_639_LANGUAGE,
    NULL_PID,
    PAT_PID,
    REGISTRATION,
    Pat,
    Pmt,
    PmtStream,
    StreamType,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_SLOTS = 1000
"""Places that are kept for streams which may come again; the largest programs have some forty."""
PROGRAM = 1
"""Number of the program, and of its transport stream, unless one that passes through has others."""
PMT_PID = 0x1000
FIRST_PID = 0x100

RESERVED_PIDS = 0x20
"""PIDs below belong to tables (§2.4.3.3; DVB: EN 300 468 §5.1.3)."""


SERVICE_ESSENCE = (0, b"service")
"""Of tables that have the same PID in every stream."""

CA_DESCRIPTOR = 0x09
STREAM_IDENTIFIER = 0x52
ASIDES = frozenset({ISO_639_LANGUAGE, CA_DESCRIPTOR, STREAM_IDENTIFIER})
"""Tags of descriptors that say nothing about what a private stream carries."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An elementary stream that needs a PID."""

    essence: tuple[int, bytes]
    """``stream_type``, and what tells private streams apart; see :func:`essence`."""
    language: str = ""
    pid: int = 0
    """The PID that it would like; 0 = any."""


@dataclass(slots=True, eq=False)
class Slot:
    """A PID of the lane, kept for streams of its essence as long as the lane lives."""

    essence: tuple[int, bytes]
    language: str
    writer: PacketWriter
    fresh: bool = True
    """Nothing was written yet, so that counters may begin anywhere."""


class PidMap:
    """The PIDs and tables of one lane."""

    def __init__(self) -> None:
        self.pat = PacketWriter(PAT_PID)
        self.pmt = PacketWriter(PMT_PID)
        self.slots: list[Slot] = []
        self.written = False
        """Tables were, so that something else has to be told from what came before."""
        self._services: dict[int, Slot] = {}
        self._number(PROGRAM, PROGRAM)

    def name(self, transport: int, program: int) -> bool:
        """Whether the lane has these numbers; the first streams that come bring theirs."""
        if not self.slots:
            self._number(transport, program)
        return (self.transport, self.map.program) == (transport, program)

    def service(self, pid: int) -> Slot:
        """The place of the tables that have this PID in every stream."""
        if pid not in self._services:
            self._services[pid] = Slot(SERVICE_ESSENCE, "", PacketWriter(pid))
        return self._services[pid]

    def _number(self, transport: int, program: int) -> None:
        self.transport = transport
        self.pat_section = Pat(transport, ((program, PMT_PID),)).serialize()
        self.map = Pmt(program, NULL_PID, ())
        self.pmt_section = self.map.serialize()

    def assign(self, wanted: Sequence[Wanted], taken: Sequence[Slot] = ()) -> list[Slot]:
        """A slot for each stream, none of those that are taken.

        A stream gets a former one of its essence and language, else of its essence, else its own
        PID if that is free, else a new one. Where there have been too many, the oldest place that
        is free changes its essence.
        """
        held = set(taken)
        free = [slot for slot in self.slots if slot not in held]
        found: dict[int, Slot] = {}
        for same_language in (True, False):
            places: dict[tuple[object, ...], deque[Slot]] = {}
            for slot in free:
                key = (slot.essence, slot.language if same_language else "")
                places.setdefault(key, deque()).append(slot)
            for place, wish in enumerate(wanted):
                slots = places.get((wish.essence, wish.language if same_language else ""))
                if slots and place not in found:
                    found[place] = slots.popleft()
            held = set(found.values())
            free = [slot for slot in free if slot not in held]
        return [found.get(place) or self._place(wish, free) for place, wish in enumerate(wanted)]

    def _place(self, wish: Wanted, free: list[Slot]) -> Slot:
        """A slot that was none of this essence, one of those that are free if there are many."""
        if len(self.slots) < MAX_SLOTS or not free:
            return self.new(wish)
        slot = free.pop(0)
        slot.essence, slot.language = wish.essence, wish.language
        return slot

    def new(self, wish: Wanted) -> Slot:
        """A slot that no stream has had yet."""
        taken = {slot.writer.pid for slot in self.slots} | {PMT_PID, NULL_PID}
        pid = wish.pid
        if pid < RESERVED_PIDS or pid in taken:
            pid = next(pid for pid in range(FIRST_PID, NULL_PID) if pid not in taken)
        slot = Slot(wish.essence, wish.language, PacketWriter(pid))
        self.slots.append(slot)
        return slot

    def publish(
        self, pcr_pid: int, streams: tuple[PmtStream, ...], descriptors: bytes = b""
    ) -> None:
        """Make the program map of these streams, under a new version if it differs."""
        number, version = self.map.program, self.map.version
        new = Pmt(number, pcr_pid, streams, descriptors, version)
        if new != self.map:
            new = Pmt(number, pcr_pid, streams, descriptors, (version + 1) % 32)
        self.map = new
        self.pmt_section = new.serialize()

    def tables(self) -> bytes:
        """The packets of PAT and PMT."""
        self.written = True
        return self.pat.section(self.pat_section) + self.pmt.section(self.pmt_section)

    def discontinuities(
        self, writers: Iterable[PacketWriter], counters: Mapping[int, int] | None = None
    ) -> bytes:
        """A packet per PID that prepares a receiver for the counters to come, tables first.

        ``counters`` are those that come next where a writer would not know.
        """
        known = counters or {}
        announced = [
            one.discontinuity(known.get(one.pid)) for one in (self.pat, self.pmt, *writers)
        ]
        return b"".join(announced)


def essence(stream_type: int, descriptors: bytes) -> tuple[int, bytes]:
    """What makes two streams of one kind: the type, for private ones with their format.

    The format is the first descriptor's tag that tells it (teletext, subtitles, AC-3), with its
    letters if it is a registration.
    """
    if stream_type != StreamType.PRIVATE:
        return int(stream_type), b""
    position = 0
    while position + 2 <= len(descriptors):
        tag, end = descriptors[position], position + 2 + descriptors[position + 1]
        if tag not in ASIDES:
            letters = descriptors[position + 2 : position + 6] if tag == REGISTRATION else b""
            return int(stream_type), bytes((tag,)) + letters
        position = end
    return int(stream_type), b""
