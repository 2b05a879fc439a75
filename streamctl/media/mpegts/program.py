"""Which program of a transport stream is meant, and which PIDs belong to it.

Follows the program association, the program maps and the service description as they come and
change. A stream of many programs (MPTS) gives the one that is asked for, else the first in the
association that has sound or pictures. Specification: ISO/IEC 13818-1 §2.4.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.mpegts.psi import NULL_PID, PAT_PID, PAT_TABLE_ID, PMT_TABLE_ID, Pat, Pmt
from streamctl.media.mpegts.streams import Carriage, stream_kind
from streamctl.media.mpegts.tables import (
    CONDITIONAL_ACCESS,
    SDT_PID,
    SDT_TABLE_ID,
    SectionAssembler,
    TableReader,
    service_names,
    split_descriptors,
)
from streamctl.media.packet import Media

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_PROGRAMS = 64
"""Programs whose maps are followed at once; the largest multiplexes have some forty."""
MAX_CONTROL_PIDS = 100
"""PIDs with messages for descramblers: one for each system, or for each of its streams."""
LEAST_SECTION_BYTES = 12
"""A section in long form without a body."""
MAX_REASON_PROGRAMS = 10
"""Programs that a reason names."""
SERVICE_PIDS = (SDT_PID, 0x12, 0x14)
"""Of the tables that tell viewers of a program: its name, what is on, and the time of day (EN 300
468 §5.1.3). That of the network (0x10) tells how to tune in to it, which is over here."""


@dataclass(frozen=True, slots=True)
class Program:
    """The program on air."""

    number: int
    pmt_pid: int
    map: Pmt
    """As it came, without the streams that the PID filter leaves out."""
    bare_clock: bool = False
    """The PID filter leaves out the PID of the clock, so that nothing but its times is wanted."""
    transport: int = 0
    """``transport_stream_id`` of the stream that it comes in."""
    services: tuple[int, ...] = ()
    """PIDs of the tables that tell of it and, since it comes alone, of no other program."""

    @property
    def pids(self) -> frozenset[int]:
        """The PIDs of its streams and its clock, without those of tables."""
        streams = {stream.pid for stream in self.map.streams}
        return frozenset(streams | {self.map.pcr_pid} - {NULL_PID})


class ProgramReader:
    """Reads the tables and keeps the program up to date."""

    def __init__(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.wanted = program
        """Number of the program to take; None = the first one with media."""
        self.allowed = frozenset(pids)
        """The only PIDs of streams to take; empty = all."""
        self.program: Program | None = None
        self.pat: Pat | None = None
        self.maps: dict[int, Pmt] = {}
        """The maps that have come, by program."""
        self.names: dict[int, str] = {}
        """Names of services, by program."""
        self.pids = frozenset((PAT_PID, SDT_PID))
        """Packets of these are to be fed."""
        self._assemblers: dict[int, SectionAssembler] = {}
        self._pat_reader = TableReader(PAT_TABLE_ID)
        self._sdt_reader = TableReader(SDT_TABLE_ID)
        self._map_readers: dict[int, TableReader] = {}
        self._map_pids: dict[int, int] = {}

    @property
    def name(self) -> str:
        """The name of the program; empty while it is not known."""
        return self.names.get(self.program.number, "") if self.program else ""

    @property
    def damaged(self) -> int:
        """Sections with a wrong checksum or length."""
        readers = (self._pat_reader, self._sdt_reader, *self._map_readers.values())
        return sum(reader.damaged for reader in readers)

    @property
    def reason(self) -> str:
        """Why there is no program yet, in words; empty when there is one."""
        if self.program is not None:
            return ""
        if self.pat is None:
            return "no program association table yet"
        numbers = [number for number, _ in self.pat.programs if number]
        if self.wanted is not None and self.wanted not in numbers:
            shown = ", ".join(map(str, numbers[:MAX_REASON_PROGRAMS]))
            more = ", …" if len(numbers) > MAX_REASON_PROGRAMS else ""
            return f"program `{self.wanted}` is not among those on air: `{shown}{more}`"
        return "no program map yet" if numbers else "no program on air"

    def feed(self, packet: bytes | memoryview) -> bool:
        """Take a packet of one of ``pids``; whether ``program`` became another one by it."""
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid not in self.pids:
            return False
        assembler = self._assemblers.get(pid)
        if assembler is None:
            assembler = self._assemblers[pid] = SectionAssembler()
        before = self.program
        for section in assembler.feed(packet):
            if not self._take(pid, section):
                # Where the next one begins a damaged one can't tell; and each takes its time.
                break
        return self.program != before

    def _take(self, pid: int, section: bytes) -> bool:
        """Read a section; whether it was undamaged."""
        reader = self._reader(pid, section)
        if reader is None:
            return len(section) >= LEAST_SECTION_BYTES
        damaged = reader.damaged
        if reader is self._pat_reader:
            self._take_pat(section)
        elif reader is self._sdt_reader:
            if services := reader.feed(section):
                self.names = service_names(services)
        else:
            self._take_map(reader, section)
        return reader.damaged == damaged

    def _reader(self, pid: int, section: bytes) -> TableReader | None:
        """Who reads the sections of a PID; of several programs there, that of the section."""
        if pid == PAT_PID:
            return self._pat_reader
        if pid == SDT_PID:
            return self._sdt_reader
        numbers = [number for number, place in self._map_pids.items() if place == pid]
        number = int.from_bytes(section[3:5], "big")
        if len(numbers) == 1:
            number = numbers[0]
        return self._map_readers[number] if number in numbers else None

    def _take_pat(self, data: bytes) -> None:
        found = self._pat_reader.feed(data)
        if found is None:
            return
        try:
            self.pat = Pat.read(found)
        except RemoteProtocolError:
            self._pat_reader.damaged += 1
            return
        places = {number: pid for number, pid in self.pat.programs if number}
        if self.wanted is not None:
            places = {number: pid for number, pid in places.items() if number == self.wanted}
        places = dict(list(places.items())[:MAX_PROGRAMS])
        for number, pid in self._map_pids.items():
            if places.get(number) != pid:
                self._map_readers.pop(number, None)
                self.maps.pop(number, None)
        for number in places:
            self._map_readers.setdefault(number, TableReader(PMT_TABLE_ID, number))
        self._map_pids = places
        self.pids = frozenset((PAT_PID, SDT_PID, *places.values()))
        if self.program is not None and self.program.number in self.maps:
            self._choose(self.program.number)
        self._assemblers = {pid: one for pid, one in self._assemblers.items() if pid in self.pids}

    def _take_map(self, reader: TableReader, data: bytes) -> None:
        """Read a map, and choose its program if there is none or a former one has gone."""
        number = reader.extension
        assert number is not None
        repeated = False
        sections = reader.feed(data)
        if sections is None:
            extension = int.from_bytes(data[3:5], "big")
            repeated = extension == number and number in self.maps
        else:
            try:
                self.maps[number] = self._filtered(Pmt.read(sections[0]))
            except RemoteProtocolError:
                reader.damaged += 1
            else:
                if self.program is not None and self.program.number == number:
                    self._choose(number)
        if self.program is None or self.program.number not in self.maps:
            self._consider(repeated)

    def _consider(self, repeated: bool) -> None:
        """Choose the first program with media, once it is sure which one that is.

        When a map comes for the second time, those that are still missing are not on air.
        """
        missing = [number for number in self._map_pids if number not in self.maps]
        for number in self._map_pids:
            pmt = self.maps.get(number)
            if pmt is None:
                if not repeated:
                    return
            elif has_media(pmt) or self.wanted is not None:
                self._choose(number)
                return
        if self.maps and not missing:
            self._choose(next(number for number in self._map_pids if number in self.maps))

    def _choose(self, number: int) -> None:
        pmt, pat = self.maps[number], self.pat
        assert pat is not None
        bare_clock = bool(self.allowed) and pmt.pcr_pid not in self.allowed
        services: tuple[int, ...] = ()
        if sum(other != 0 for other, _ in pat.programs) == 1:
            services = tuple(pid for pid in SERVICE_PIDS if not self.allowed or pid in self.allowed)
        place = self._map_pids[number]
        self.program = Program(number, place, pmt, bare_clock, pat.transport_stream, services)

    def _filtered(self, pmt: Pmt) -> Pmt:
        if not self.allowed:
            return pmt
        streams = tuple(stream for stream in pmt.streams if stream.pid in self.allowed)
        return replace(pmt, streams=streams)


def has_media(pmt: Pmt) -> bool:
    """Whether a program has sound or pictures, such as can be read or not."""
    kinds = (stream_kind(stream) for stream in pmt.streams)
    return any(
        kind.codec.media is not Media.DATA if kind.codec else kind.carriage is Carriage.PES
        for kind in kinds
    )


def control_pids(pmt: Pmt) -> list[int]:
    """Where the messages for descramblers come, as the map says it (§2.6.16)."""
    found = []
    for part in (pmt.descriptors, *(stream.descriptors for stream in pmt.streams)):
        for tag, payload in split_descriptors(part):
            if tag == CONDITIONAL_ACCESS and len(payload) >= 4:
                found.append(int.from_bytes(payload[2:4], "big") & 0x1FFF)
    return found[:MAX_CONTROL_PIDS]
