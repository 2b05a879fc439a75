"""MPEG-TS put together by hand (ISO/IEC 13818-1), independent of the code under test.

Everything is given: PIDs, stream types, descriptors, when a unit is sent and what its stamps say.
:func:`multiplex` adds PAT, PMT and SDT, PCR, continuity counters and, at a constant rate, null
packets. Times are on the 90 kHz clock and wrap at 33 bits where they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PACKET = 188
WRAP = 1 << 33
SECOND = 90_000
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184
PSI_EVERY = SECOND // 10
PCR_EVERY = SECOND * 3 // 100
SDT_PID = 0x11
TRANSPORT_STREAM_ID = 0x5A1
NETWORK_ID = 0x22


@dataclass(frozen=True)
class Unit:
    """One PES packet, or one section."""

    due: int
    """When its first byte is sent."""
    data: bytes
    key: bool = False
    """Whether the first packet says random_access_indicator."""


@dataclass(frozen=True)
class Component:
    """One PID of a program."""

    pid: int
    stream_type: int
    units: Sequence[Unit]
    descriptors: bytes = b""
    sections: bool = False
    """Whether the units are sections rather than PES packets."""


@dataclass(frozen=True)
class Program:
    """One service."""

    number: int
    name: str
    pmt_pid: int
    pcr_pid: int
    components: tuple[Component, ...]
    descriptors: bytes = b""

    @property
    def pids(self) -> list[int]:
        """Those of its components."""
        return [each.pid for each in self.components]


@dataclass
class Writer:
    """Packets so far, the counters of their PIDs, and the system clock."""

    kbps: int = 0
    """0 = no null packets, and the clock jumps from unit to unit."""
    packets: list[bytes] = field(default_factory=list)
    counters: dict[int, int] = field(default_factory=dict)
    clock: int = 0
    """27 MHz."""

    def until(self, due: int) -> None:
        """Let time pass."""
        if not self.kbps:
            self.clock = max(self.clock, due * 300)
            return
        while self.clock < due * 300:
            self.add(NULL_PACKET)

    def add(self, packet: bytes) -> None:
        """Append one packet."""
        assert len(packet) == PACKET
        self.packets.append(packet)
        if self.kbps:
            self.clock += PACKET * 8 * 27_000 // self.kbps

    def header(self, pid: int, *, start: bool, control: int) -> bytes:
        """The four bytes; the counter moves only with a payload. It starts anywhere."""
        counter = self.counters.get(pid, pid * 7 & 15)
        if control & 1:
            counter = self.counters[pid] = (counter + 1) & 15
        return bytes((0x47, start << 6 | pid >> 8, pid & 0xFF, control << 4 | counter))

    def clock_only(self, pid: int) -> None:
        """A packet of nothing but a PCR."""
        body = b"\xb7\x10" + pcr(self.clock)
        self.add(self.header(pid, start=False, control=2) + body.ljust(184, b"\xff"))

    def unit(self, pid: int, data: bytes, *, with_pcr: bool = False, key: bool = False) -> None:
        """A PES packet over as many packets as it takes, the last one stuffed."""
        flags = key << 6 | with_pcr << 4
        extra = bytes((flags,)) + (pcr(self.clock) if with_pcr else b"") if flags else b""
        at, start = 0, True
        while start or at < len(data):
            room = 184 - (len(extra) + 1 if extra else 0)
            chunk = data[at : at + room]
            field_size = 184 - len(chunk)
            control = 3 if field_size else 1
            packet = self.header(pid, start=start, control=control)
            if field_size:
                content = extra or (b"\0" if field_size > 1 else b"")
                packet += bytes((field_size - 1,)) + content.ljust(field_size - 1, b"\xff")
            self.add(packet + chunk)
            at, start, extra = at + len(chunk), False, b""

    def section(self, pid: int, data: bytes) -> None:
        """A section that begins in a packet of its own, stuffed behind its end (2.4.4)."""
        data = b"\0" + data
        for at in range(0, len(data), 184):
            chunk = data[at : at + 184].ljust(184, b"\xff")
            self.add(self.header(pid, start=not at, control=1) + chunk)


def multiplex(programs: Sequence[Program], *, start: int = 0, kbps: int = 0) -> bytes:
    """Everything in the order in which it is due; ``start`` is the clock at due time 0."""
    out = Writer(kbps)
    shift = start % WRAP * 300
    jobs = sorted(plan(programs), key=lambda job: job[:2])
    for due, _, program, component, unit in jobs:
        out.until(due)
        out.clock += shift
        if component is None:
            out.clock_only(program.pcr_pid)
        elif unit is None:
            tables(out, programs)
        elif component.sections:
            out.section(component.pid, unit.data)
        else:
            clocked = component.pid == program.pcr_pid
            out.unit(component.pid, unit.data, with_pcr=clocked, key=unit.key)
        out.clock -= shift
    return b"".join(out.packets)


Job = tuple[int, int, Program, Component | None, Unit | None]


def plan(programs: Sequence[Program]) -> Iterator[Job]:
    """What is sent when: tables (no unit), clocks (no component), units; tables first."""
    ends = [unit.due for each in programs for part in each.components for unit in part.units]
    for due in range(0, max(ends, default=0) + 1, PSI_EVERY):
        yield due, 0, programs[0], programs[0].components[0], None
    for program in programs:
        if program.pcr_pid not in program.pids:
            for due in range(0, max(ends, default=0) + 1, PCR_EVERY):
                yield due, 1, program, None, None
        for order, component in enumerate(program.components, 2):
            for unit in component.units:
                yield unit.due, order, program, component, unit


def tables(out: Writer, programs: Sequence[Program]) -> None:
    """PAT, PMTs and SDT."""
    out.section(0, pat(programs))
    for program in programs:
        out.section(program.pmt_pid, pmt(program))
    out.section(SDT_PID, sdt(programs))


def pat(programs: Iterable[Program], version: int = 0) -> bytes:
    """A program association section (2.4.4.3)."""
    body = b"".join(word(each.number) + word(0xE000 | each.pmt_pid) for each in programs)
    return long_section(0, TRANSPORT_STREAM_ID, body, version)


def pmt(program: Program, version: int = 0) -> bytes:
    """A program map section (2.4.4.8)."""
    body = word(0xE000 | program.pcr_pid)
    body += word(0xF000 | len(program.descriptors)) + program.descriptors
    for each in program.components:
        body += bytes((each.stream_type,)) + word(0xE000 | each.pid)
        body += word(0xF000 | len(each.descriptors)) + each.descriptors
    return long_section(2, program.number, body, version)


def sdt(programs: Iterable[Program]) -> bytes:
    """A service description section (EN 300 468, 5.2.3): names only."""
    body = word(NETWORK_ID) + b"\xff"
    for each in programs:
        named = b"\x01\0" + bytes((len(each.name),)) + each.name.encode()
        service = b"\x48" + bytes((len(named),)) + named
        body += word(each.number) + b"\xfc" + word(0x8000 | len(service)) + service
    return long_section(0x42, TRANSPORT_STREAM_ID, body)


def long_section(table: int, extension: int, body: bytes, version: int = 0) -> bytes:
    """A section with version, number and CRC."""
    content = word(extension) + bytes((0xC1 | version << 1, 0, 0)) + body
    return with_crc(bytes((table,)) + word(0xB000 | len(content) + 4) + content)


def with_crc(section: bytes) -> bytes:
    """A section and its CRC_32 (annex A)."""
    return section + crc32(section).to_bytes(4)


def crc32(data: bytes) -> int:
    """The CRC of sections, bit by bit."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return crc


def word(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2)


def descriptor(tag: int, data: bytes) -> bytes:
    """A descriptor."""
    return bytes((tag, len(data))) + data


def pes(
    stream_id: int, data: bytes, pts: int | None, dts: int | None = None, *, header: int = 0
) -> bytes:
    """A PES packet (2.4.3.6); of video, and beyond 65,535 bytes, without its length.

    Args:
        stream_id: the kind.
        data: the payload.
        pts: presentation time; None for a packet without stamps.
        dts: decoding time, if it is another.
        header: the least length of the optional header fields, the rest being stuffed.
    """
    stamps, flags = b"", 0
    if pts is not None:
        both = dts is not None and dts != pts
        flags = 0xC0 if both else 0x80
        stamps = stamp(3 if both else 2, pts) + (stamp(1, dts or 0) if both else b"")
    stamps = stamps.ljust(header, b"\xff")
    content = bytes((0x84, flags, len(stamps))) + stamps + data
    endless = stream_id & 0xF0 == 0xE0 or len(content) > 0xFFFF
    return b"\0\0\1" + bytes((stream_id,)) + word(0 if endless else len(content)) + content


def stamp(prefix: int, value: int) -> bytes:
    """A time of 33 bits in five bytes."""
    value %= WRAP
    first = prefix << 4 | value >> 29 & 0x0E | 1
    return bytes((first,)) + word(value >> 14 & 0xFFFE | 1) + word(value << 1 & 0xFFFE | 1)


def pcr(clock: int) -> bytes:
    """A program clock reference in six bytes."""
    base, extension = divmod(clock % (WRAP * 300), 300)
    return (base << 15 | 0x3F << 9 | extension).to_bytes(6)
