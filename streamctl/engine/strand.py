"""One PID on its way through the server, and the plan which of them there are."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.mpegts.index import leading_stream
from streamctl.media.mpegts.pidmap import SERVICE_ESSENCE, PidMap, Slot, Wanted, essence
from streamctl.media.mpegts.program import control_pids
from streamctl.media.mpegts.psi import NULL_PID, PmtStream
from streamctl.media.mpegts.streams import (
    Carriage,
    StreamKind,
    stream_kind,
    stream_language,
    stream_track,
)
from streamctl.media.packet import Codec, Media

if TYPE_CHECKING:
    from streamctl.media.mpegts.packet import PacketWriter
    from streamctl.media.mpegts.program import Program
    from streamctl.media.mpegts.psi import Pmt
    from streamctl.media.packet import Track

CLOCK_ESSENCE = (0, b"clock")
"""Of a PID that carries clock references alone."""
CONTROL_ESSENCE = (0, b"control")
"""Of a PID that carries what a descrambler needs."""
MAX_STRANDS = 200
"""PIDs of one program; the largest have some forty."""


class Cargo(enum.Enum):
    """What decides when the packets of a PID begin to pass, and which times they have."""

    PICTURE = enum.auto()
    SOUND = enum.auto()
    DATA = enum.auto()
    CUES = enum.auto()
    SECTIONS = enum.auto()
    CLOCK = enum.auto()
    BARE_CLOCK = enum.auto()
    """Its clock references pass, and nothing else of its packets."""


class Start(enum.Enum):
    """How far pictures have come."""

    WAITING = enum.auto()
    """No random-access point yet."""
    FIRST = enum.auto()
    """In the first group, whose leading pictures can't be decoded."""
    PAST = enum.auto()


CARGOES = {CLOCK_ESSENCE: Cargo.CLOCK, CONTROL_ESSENCE: Cargo.SECTIONS}


@dataclass(slots=True, eq=False)
class Strand:
    """A PID that belongs to the program."""

    pid: int
    slot: Slot
    cargo: Cargo
    codec: Codec | None
    stream: PmtStream | None
    open: bool = False
    """Its packets pass; those of a bare clock one by one."""
    start: Start = Start.WAITING
    units: int = 0
    """Pictures, or PES packets."""
    ahead: int = 0
    """Packets of its own that were written before any of it passes."""

    @property
    def following(self) -> int:
        """The counter of the next packet that passes, while none does."""
        return self.slot.writer.continuity + self.ahead

    def catch_up(self) -> None:
        """Let the lane count those packets, once they are written."""
        if self.ahead:
            writer = self.slot.writer
            writer.continuity = (writer.continuity + self.ahead) & 15
            self.ahead = 0


class Plan:
    """The strands of a program, with their places in the lane."""

    def __init__(self, pids: PidMap) -> None:
        self.pids = pids
        self.by_pid: dict[int, Strand] = {}
        self.promised: PmtStream | None = None
        """Sound that the program lacks and that is made up, under its PID in the lane."""
        self._promised_slot: Slot | None = None
        self.leader: Strand | None = None
        """Whose units viewers may join at; the index tells them."""

    def follow(self, program: Program) -> list[Strand]:
        """Take a program map; returns the strands that are gone.

        Streams that stay keep their place and their track.
        """
        former = self.by_pid
        streams = {stream.pid: stream for stream in program.map.streams[:MAX_STRANDS]}
        asides = {pid: one for pid, one in self._asides(program).items() if pid not in streams}
        kept = {
            pid: strand
            for pid, strand in former.items()
            if goes_on(strand, streams.get(pid))
            and (pid in streams or strand.slot.essence == asides.get(pid))
        }
        for pid, strand in kept.items():
            strand.stream = streams.get(pid)
        new = [stream for pid, stream in streams.items() if pid not in kept]
        wanted = [
            Wanted(essence(one.stream_type, one.descriptors), stream_language(one), one.pid)
            for one in new
        ]
        for pid, aside in asides.items():
            if aside is SERVICE_ESSENCE and pid not in kept:
                kept[pid] = Strand(pid, self.pids.service(pid), Cargo.SECTIONS, None, None)
        fresh = [pid for pid in asides if pid not in kept]
        wanted += [Wanted(asides[pid], pid=pid) for pid in fresh]
        slots = self.pids.assign(wanted, [strand.slot for strand in kept.values()])
        for stream, slot in zip(new, slots, strict=False):
            kept[stream.pid] = self._strand(stream, slot)
        for pid, slot in zip(fresh, slots[len(new) :], strict=True):
            kind = CARGOES[asides[pid]]
            if kind is Cargo.CLOCK and program.bare_clock:
                kind = Cargo.BARE_CLOCK
            kept[pid] = Strand(pid, slot, kind, None, None)
        self.by_pid = {pid: kept[pid] for pid in (*streams, *asides) if pid in kept}
        lead = leading_stream(program.map)
        self.leader = self.by_pid.get(lead.pid) if lead is not None else None
        self._publish(program)
        staying = set(self.by_pid.values())
        return [strand for strand in former.values() if strand not in staying]

    def _asides(self, program: Program) -> dict[int, tuple[int, bytes]]:
        """What belongs to a program beside its streams, by PID.

        Tables that tell of it go along while its numbers are those of the lane.
        """
        found = dict.fromkeys(control_pids(program.map), CONTROL_ESSENCE)
        if program.map.pcr_pid != NULL_PID:
            found[program.map.pcr_pid] = CLOCK_ESSENCE
        if self.pids.name(program.transport, program.number):
            found |= dict.fromkeys(program.services, SERVICE_ESSENCE)
        return found

    def _strand(self, stream: PmtStream, slot: Slot) -> Strand:
        kind = stream_kind(stream)
        return Strand(stream.pid, slot, cargo(kind), kind.codec, stream)

    @property
    def writers(self) -> list[PacketWriter]:
        """Who has written on the PIDs of the program."""
        slots = [strand.slot for strand in self.by_pid.values()]
        if self.promised is not None and self._promised_slot is not None:
            slots.append(self._promised_slot)
        return [slot.writer for slot in slots if not slot.fresh]

    def promise(self, stream: PmtStream, slot: Slot, program: Program | None) -> None:
        """Add sound that is made up to the map, as long as the program has none."""
        self.promised, self._promised_slot = stream, slot
        if program is not None:
            self._publish(program)

    def _publish(self, program: Program) -> None:
        streams = tuple(
            PmtStream(strand.stream.stream_type, strand.slot.writer.pid, strand.stream.descriptors)
            for strand in self.by_pid.values()
            if strand.stream is not None
        )
        if any(strand.cargo is Cargo.SOUND for strand in self.by_pid.values()):
            self.promised = None
        if self.promised is not None:
            streams = (*streams, self.promised)
        clock = self.by_pid.get(program.map.pcr_pid)
        pcr_pid = clock.slot.writer.pid if clock is not None else NULL_PID
        self.pids.publish(pcr_pid, streams, program.map.descriptors)


def goes_on(strand: Strand, stream: PmtStream | None) -> bool:
    """Whether a stream is what it was, whatever else is said of it, such as its language."""
    former = strand.stream
    if former is None or stream is None:
        return former is stream
    same = stream_kind(former) == stream_kind(stream)
    return same and former.stream_type == stream.stream_type


def program_tracks(pmt: Pmt) -> dict[int, Track]:
    """What can be read of a program, by PID, without configurations; numbered in order."""
    tracks: dict[int, Track] = {}
    for stream in pmt.streams:
        track = stream_track(len(tracks), stream)
        if track is not None:
            tracks[stream.pid] = track
    return tracks


def cargo(kind: StreamKind) -> Cargo:
    """How a stream is to be handled."""
    if kind.carriage is Carriage.SECTIONS:
        return Cargo.CUES if kind.codec is Codec.SCTE35 else Cargo.SECTIONS
    if kind.video:
        return Cargo.PICTURE
    if kind.codec is not None and kind.codec.media is Media.AUDIO:
        return Cargo.SOUND
    return Cargo.DATA
