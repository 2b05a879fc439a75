"""What passthrough must know of a transport stream without taking it apart.

Fed with whole packets it tells where pictures begin and which of them are random-access points,
when the program changes, what the clock says, and what is missing. A packet is looked at in
Python only if a picture begins in it, it carries a table, or it has the clock; all else is array
work. Moving, rewriting and storing packets is left to others.

Theory of operation: the stream that leads is the first video of the program, else its first
sound. Where one of its units begins, bytes are collected until the first slice tells what it is;
usually the first packet does. Until then ``decided`` stays at that packet, and whoever cuts the
stream at random-access points waits with the rest. Rules of random access: a picture from which
decoding is right at once (IDR, CRA, BLA, recovery point, intra with parameter sets), told by its
NAL units alone. The indicator in the adaptation field counts only where the pictures can't be
read, because they are scrambled or of an unknown codec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.media.mpegts.batch import ADAPTED, LOADED, PIDS, STARTS, UNKNOWN, open_batch
from streamctl.media.mpegts.cadence import Cadence
from streamctl.media.mpegts.continuity import Continuity
from streamctl.media.mpegts.packet import (
    DISCONTINUITY,
    PACKET_BYTES,
    PCR_FLAG,
    RANDOM_ACCESS,
)
from streamctl.media.mpegts.pcr import ClockWatch
from streamctl.media.mpegts.pes import TIMESTAMP_MASK, read_pes_header
from streamctl.media.mpegts.picture import PROBES
from streamctl.media.mpegts.program import ProgramReader, control_pids
from streamctl.media.mpegts.psi import NULL_PID
from streamctl.media.mpegts.streams import Carriage, stream_kind
from streamctl.media.mpegts.units import first_unit
from streamctl.media.packet import TIMESCALE, Flag, Kind, Media

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamctl.media.mpegts.batch import Batch
    from streamctl.media.mpegts.picture import Probe
    from streamctl.media.mpegts.program import Program
    from streamctl.media.mpegts.psi import Pmt, PmtStream

Data = bytes | bytearray | memoryview

MAX_LOOK_BYTES = 1 << 18
"""Bytes of a picture that are collected to tell what it is: all of it, in the worst case, which at
50 Mbps and the lowest rates is below this. A larger one is no place to join."""
MAX_LOOK_UNITS = 1000
"""NAL units among which there has to be a slice."""
PATIENCE = 8
"""A picture is looked at anew when it has grown by this part, so that long ones are not looked at
again and again."""

START_CODE = b"\0\0\1"

POINT_INTERVAL = TIMESCALE // 2
"""Random-access points without pictures that can be read are this far apart."""

LEADING = int(Flag.LEADING)
OPEN_GOP = int(Flag.OPEN_GOP)
"""As plain numbers, since the bits of an enum are slow to test."""


@dataclass(slots=True)
class Entry:
    """A unit of the leading stream: a picture, or sound where there are no pictures."""

    packet: int
    """The packet in which it begins, counted from the first one that was fed."""
    pts: int | None
    """33 bits, as on the wire; None if its PES packet tells no time, or is scrambled."""
    dts: int | None
    kind: Kind
    flags: int = 0
    """``Flag.OPEN_GOP`` of a random-access point, ``Flag.LEADING`` of pictures behind it."""
    rap: bool = False
    """A viewer may join here."""
    counters: dict[int, int] = field(default_factory=dict)
    """Of a random-access point: the counter of the next packet with payload, by PID of the
    program."""


@dataclass(slots=True)
class ProgramChange:
    """Another program, or another map of it, is valid behind a packet."""

    packet: int
    program: Program


@dataclass(slots=True)
class Clock:
    """A program clock reference."""

    packet: int
    pcr: int
    """In 27 MHz: 33 bits times 300 and the extension."""
    discontinuity: bool
    """The clock begins anew here."""


Event = Entry | ProgramChange | Clock


@dataclass(slots=True)
class Opening:
    """A unit of the leading stream whose kind is not known yet."""

    entry: Entry
    data: bytearray
    packets: int = 1
    due: int = 2
    """Packets with which it is looked at next."""


class TsIndex:
    """Indexes one program of a transport stream."""

    def __init__(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.programs = ProgramReader(program, pids)
        self.continuity = Continuity()
        self.cadence = Cadence()
        self.packets = 0
        """Packets that were fed."""
        self.clock = ClockWatch()
        self.untimed = 0
        """Entries that tell no time, for another reason than scrambling."""
        self.units = 0
        """Units of the leading stream that began, entries or not."""
        self.batch: Batch | None = None
        """The headers of those that were fed last."""
        self.lead: PmtStream | None = None
        """The stream whose units are entries."""
        self.scrambled = False
        """The last unit of the leading stream could not be read for its scrambling."""
        self._media: Media | None = None
        self._probe: Probe | None = None
        self._interest = bytearray(PIDS)
        self._pcr_pid = NULL_PID
        self._pids: tuple[int, ...] = ()
        """Those of the program."""
        self._opening: Opening | None = None
        self._start = b""
        """The packet in which the last unit of the leading stream began."""
        self._open_point: int | None = None
        """PTS of an open random-access point whose leading pictures may come."""
        self._last_point: int | None = None
        self._hints = False
        """The leading stream has had a random-access indicator."""
        self._watch()

    @property
    def program(self) -> Program | None:
        """The program on air; None while it is not known."""
        return self.programs.program

    @property
    def decided(self) -> int:
        """All entries before this packet are told; one that begins there is not yet."""
        return self._opening.entry.packet if self._opening else self.packets

    def feed(self, data: Data) -> list[Event]:
        """Take whole packets; what was found in them, in the order of packets.

        An entry may belong to a packet of a former call, but to none before ``decided``.
        """
        batch = self.batch = open_batch(data)
        before = bytes(self.continuity.counters)
        self.continuity.take(batch, data)
        events: list[Event] = []
        if self._opening is not None:
            self._pursue(batch, data, 0, events)
        start = 0
        pids = set(self._pids)
        while start < batch.count:
            start = self._visit(batch, data, start, events)
            pids.update(self._pids)
        for event in events:
            if isinstance(event, Entry) and event.rap:
                self._note_counters(batch, before, event, pids)
        if self._opening is not None:
            # What is told in a later call may begin here.
            self._note_counters(batch, before, self._opening.entry, pids)
        self.packets += batch.count
        return events

    def _note_counters(
        self, batch: Batch, before: bytes, entry: Entry, pids: Collection[int]
    ) -> None:
        """Which counters come next at an entry, on those PIDs that came before.

        Told by the batch in which the entry begins, as long as its program is known.
        """
        row = entry.packet - self.packets
        if row >= 0:
            counters = batch.counters_at(before, row)
            known = [pid for pid in pids if counters[pid] != UNKNOWN]
            entry.counters = {pid: counters[pid] + 1 & 15 for pid in known}
            # What was lost right before it is nothing to whoever begins here.
            word = int(batch.words[row])
            entry.counters[word >> 8 & 0x1FFF] = word & 15

    def _visit(self, batch: Batch, data: Data, start: int, events: list[Event]) -> int:
        """Look at the rows of interest, up to one that changes what is of interest."""
        lead = self.lead.pid if self.lead else NULL_PID
        for row in batch.rows(self._interest, start):
            at = row * PACKET_BYTES
            packet = bytes(data[at : at + PACKET_BYTES])
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if packet[1] & 0x80:
                continue
            if packet[3] & ADAPTED and pid == self._pcr_pid:
                self._read_clock(packet, row, events)
            if pid == lead:
                # A packet may come twice (§2.4.3.3), which does not make two units.
                if packet[1] & STARTS and packet[3] & LOADED and packet != self._start:
                    self._start = packet
                    self._begin(packet, batch, data, row, events)
            elif self._read_table(packet, row, events):
                return row + 1
        return batch.count

    def _read_table(self, packet: bytes, row: int, events: list[Event]) -> bool:
        """Take a packet that may carry a table; whether other packets are of interest since."""
        known = self.programs.pids
        changed = self.programs.feed(packet)
        if changed and self.programs.program is not None:
            events.append(ProgramChange(self.packets + row, self.programs.program))
        if not changed and self.programs.pids == known:
            return False
        self._watch()
        return True

    def _watch(self) -> None:
        """Take an interest in the tables, the leading stream and the clock of the program."""
        interest = bytearray(PIDS)
        program = self.programs.program
        if program is not None:
            lead = leading_stream(program.map)
            if lead != self.lead:
                self._follow(lead)
            if program.map.pcr_pid != self._pcr_pid:
                self._pcr_pid = program.map.pcr_pid
                self.clock.restart()
            self._pids = (*program.pids, *control_pids(program.map), *program.services)
            interest[self._pcr_pid] |= ADAPTED
        if self.lead is not None:
            interest[self.lead.pid] |= STARTS
        for pid in self.programs.pids:
            interest[pid] |= LOADED
        interest[NULL_PID] = 0
        self._interest = interest

    def _follow(self, lead: PmtStream | None) -> None:
        """Let another stream lead."""
        self.lead = lead
        kind = stream_kind(lead) if lead else None
        make = PROBES.get(kind.codec) if kind and kind.codec else None
        self._probe = make() if make else None
        self._media = None
        if kind:
            self._media = Media.VIDEO if kind.video else Media.AUDIO
        self.cadence = Cadence()
        self._opening = self._open_point = self._last_point = None
        self._hints = self.scrambled = False

    def _read_clock(self, packet: bytes, row: int, events: list[Event]) -> None:
        if packet[4] >= 7 and packet[5] & PCR_FLAG:
            value = int.from_bytes(packet[6:12], "big")
            pcr = (value >> 15) * 300 + (value & 0x1FF)
            anew = bool(packet[5] & DISCONTINUITY)
            self.clock.take(pcr, announced=anew)
            events.append(Clock(self.packets + row, pcr, anew))

    def _begin(
        self, packet: bytes, batch: Batch, data: Data, row: int, events: list[Event]
    ) -> None:
        """Take the first packet of a unit of the leading stream."""
        self.units += 1
        if self._opening is not None:
            self._decide(events, whole=True)
        adapted = packet[3] & ADAPTED and packet[4]
        hint = bool(adapted and packet[5] & RANDOM_ACCESS)
        self._hints = self._hints or hint
        payload = packet[5 + packet[4] if packet[3] & ADAPTED else 4 :]
        header = read_pes_header(payload)
        self.scrambled = bool(packet[3] & 0xC0) or (header is not None and header.scrambled)
        pts, dts = (header.pts, header.dts) if header and not self.scrambled else (None, None)
        entry = Entry(self.packets + row, pts, dts, Kind.P)
        if self._probe is None or self.scrambled:
            self.untimed += header is not None and pts is None and not self.scrambled
            self._guess(entry, hint, events)
            return
        self._opening = Opening(entry, bytearray(payload))
        if not self._decide(events, whole=False):
            self._pursue(batch, data, row + 1, events)

    def _pursue(self, batch: Batch, data: Data, start: int, events: list[Event]) -> None:
        """Collect more of a unit until it can be told, or another one begins."""
        opening = self._opening
        if opening is None or self.lead is None:
            return
        for row in batch.of_pid(self.lead.pid, start):
            at = row * PACKET_BYTES
            packet = bytes(data[at : at + PACKET_BYTES])
            if packet == self._start:
                continue
            if packet[1] & STARTS:
                self._decide(events, whole=True)
                return
            if packet[3] & LOADED:
                opening.data += packet[5 + packet[4] if packet[3] & ADAPTED else 4 :]
            opening.packets += 1
            whole = len(opening.data) > MAX_LOOK_BYTES
            if opening.packets < opening.due and not whole:
                continue
            opening.due = opening.packets + 1 + opening.packets // PATIENCE
            if self._decide(events, whole=whole):
                return

    def _decide(self, events: list[Event], *, whole: bool) -> bool:
        """Tell what the open unit is, if its bytes do; ``whole`` says that no more will come."""
        opening, probe = self._opening, self._probe
        if opening is None or probe is None:
            return True
        data = bytes(opening.data)
        if data.count(START_CODE) > MAX_LOOK_UNITS:
            whole, data = True, begun(data)
        entry = opening.entry
        header = read_pes_header(data)
        start = -1
        seen = None
        if header is not None:
            entry.pts, entry.dts = header.pts, header.dts
            data = data[header.start :]
            # In front may stand the rest of the picture before.
            start = first_unit(probe.codec, data)
            seen = probe.look(data[start:], whole) if start >= 0 else None
        if seen is None and not whole:
            return False
        self._opening = None
        if start < 0 or probe.second_field(data[start:]):
            return True
        self.untimed += entry.pts is None
        entry.kind, entry.flags = seen or (Kind.P, 0)
        self._complete(entry)
        events.append(entry)
        return True

    def _complete(self, entry: Entry) -> None:
        """Add what the pictures before it tell of a picture."""
        entry.rap = entry.kind is Kind.KEY
        if not entry.rap:
            entry.counters = {}
        if entry.pts is None or entry.dts is None:
            return
        if entry.rap:
            self._open_point = entry.pts if entry.flags & OPEN_GOP else None
        elif self._open_point is not None:
            if (entry.pts - self._open_point) & TIMESTAMP_MASK > TIMESTAMP_MASK >> 1:
                entry.flags |= LEADING
            else:
                self._open_point = None
        self.cadence.add(entry.pts, entry.dts, rap=entry.rap)

    def _guess(self, entry: Entry, hint: bool, events: list[Event]) -> None:
        """Tell where to join sound, or pictures that can't be read."""
        if self._media is Media.AUDIO:
            entry.kind = Kind.AUDIO
            entry.rap = self._is_due(entry.pts)
        else:
            entry.rap = hint if self._hints else self._is_due(entry.pts)
            entry.kind = Kind.KEY if entry.rap else Kind.P
        if entry.rap:
            self._last_point = entry.pts
        if entry.pts is not None and entry.dts is not None:
            self.cadence.add(entry.pts, entry.dts, rap=entry.rap)
        events.append(entry)

    def _is_due(self, pts: int | None) -> bool:
        """Whether the last random-access point is long enough ago; without a time, it is."""
        last = self._last_point
        if pts is None or last is None:
            return True
        return (pts - last) & TIMESTAMP_MASK >= POINT_INTERVAL


def leading_stream(pmt: Pmt) -> PmtStream | None:
    """The first video of a program, else its first sound."""
    sound = None
    for stream in pmt.streams:
        kind = stream_kind(stream)
        if kind.video:
            return stream
        audible = kind.codec is not None and kind.codec.media is Media.AUDIO
        if sound is None and kind.carriage is Carriage.PES and (audible or kind.codec is None):
            sound = stream
    return sound


def begun(data: bytes) -> bytes:
    """As much of a picture as has the units that are looked at."""
    at = -1
    for _ in range(MAX_LOOK_UNITS + 1):
        at = data.find(START_CODE, at + 1)
    return data[:at]
