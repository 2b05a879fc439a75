"""Checks of raw MPEG-TS bytes (ISO/IEC 13818-1), independent of the code under test."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

PACKET = 188
SYNC = 0x47
NULL_PID = 0x1FFF
PAT_PID = 0
CLOCK_HZ = 27_000_000
PCR_WRAP = (1 << 33) * 300


@dataclass
class TsReport:
    """What a transport stream breaks; empty lists are good."""

    packets: int = 0
    sync_errors: int = 0
    trailing: int = 0
    """Bytes after the last whole packet."""
    continuity_errors: list[str] = field(default_factory=list)
    announcements: list[int] = field(default_factory=list)
    """How many packets in a row told, each time, that what follows does not go on from before."""
    pcr_spacing_s: list[float] = field(default_factory=list)
    """Distances of neighbouring PCRs without a discontinuity between them."""
    psi_spacing_s: list[float] = field(default_factory=list)
    """Distances of neighbouring PATs on the PCR's clock."""
    pids: dict[int, int] = field(default_factory=dict)
    """Packets by PID."""
    first_pids: list[int] = field(default_factory=list)
    """PIDs in order of appearance."""

    @property
    def worst_pcr_s(self) -> float:
        """The longest way from one PCR to the next."""
        return max(self.pcr_spacing_s, default=0.0)

    @property
    def worst_psi_s(self) -> float:
        """The longest way from one PAT to the next."""
        return max(self.psi_spacing_s, default=0.0)


@dataclass
class Walk:
    """State from packet to packet."""

    report: TsReport
    counters: dict[int, int] = field(default_factory=dict)
    previous: dict[int, bytes] = field(default_factory=dict)
    announcing: bool = False
    """The last packet told a discontinuity."""
    pcr: tuple[int, int] | None = None
    """PID and value of the last PCR."""
    pats: list[int] = field(default_factory=list)
    """PCR values at which PATs stood."""

    def packet(self, packet: bytes) -> None:
        """Look at one packet."""
        report = self.report
        report.packets += 1
        if packet[0] != SYNC:
            report.sync_errors += 1
            return
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid not in report.pids:
            report.first_pids.append(pid)
        report.pids[pid] = report.pids.get(pid, 0) + 1
        if pid == NULL_PID:
            return
        adapted = packet[3] & 0x20 and packet[4] > 0
        jump = bool(adapted and packet[5] & 0x80)
        if jump and not self.announcing:
            report.announcements.append(0)
        if jump:
            report.announcements[-1] += 1
        self.announcing = jump
        self.continuity(pid, packet, jump=jump)
        if adapted and packet[5] & 0x10:
            base = int.from_bytes(packet[6:11]) >> 7
            extension = (packet[10] & 1) << 8 | packet[11]
            self.clock(pid, base * 300 + extension, jump=jump)
        if pid == PAT_PID and self.pcr is not None:
            self.pats.append(self.pcr[1])

    def continuity(self, pid: int, packet: bytes, *, jump: bool) -> None:
        """Counters rise by one with each payload; one duplicate is legal (2.4.3.3)."""
        counter, payload = packet[3] & 0x0F, bool(packet[3] & 0x10)
        last = self.counters.get(pid)
        if last is not None and not jump:
            wanted = (last + 1) & 0x0F if payload else last
            if counter != wanted and packet != self.previous.get(pid):
                self.report.continuity_errors.append(
                    f"packet {self.report.packets - 1}, PID {pid}: {counter} after {last}"
                )
        self.counters[pid] = counter
        self.previous[pid] = packet

    def clock(self, pid: int, value: int, *, jump: bool) -> None:
        """Remember a PCR."""
        if self.pcr is not None and self.pcr[0] == pid:
            if jump:
                self.pats.clear()
            else:
                step = (value - self.pcr[1]) % PCR_WRAP
                self.report.pcr_spacing_s.append(step / CLOCK_HZ)
        self.pcr = (pid, value)
        if len(self.pats) > 1:
            self.flush_pats(keep=1)

    def flush_pats(self, keep: int = 0) -> None:
        """Turn remembered PATs into distances."""
        for before, after in pairwise(self.pats):
            self.report.psi_spacing_s.append(((after - before) % PCR_WRAP) / CLOCK_HZ)
        self.pats = self.pats[-keep:] if keep else []


def inspect(data: bytes) -> TsReport:
    """Walk over a whole recording."""
    report = TsReport(trailing=len(data) % PACKET)
    walk = Walk(report)
    for start in range(0, len(data) - PACKET + 1, PACKET):
        walk.packet(data[start : start + PACKET])
    walk.flush_pats()
    return report


def whole_units(data: bytes) -> bytes:
    """The recording without the last access unit of each PID: a cut one is no server's fault."""
    starts = range(0, len(data) - PACKET + 1, PACKET)
    packets = [data[start : start + PACKET] for start in starts]
    last: dict[bytes, int] = {}
    for number, packet in enumerate(packets):
        if begins_pes(packet):
            last[pid_bytes(packet)] = number
    end = len(packets)
    return b"".join(
        packet for number, packet in enumerate(packets) if number < last.get(pid_bytes(packet), end)
    )


def pid_bytes(packet: bytes) -> bytes:
    """The PID as it stands in the header."""
    return bytes((packet[1] & 0x1F, packet[2]))


def begins_pes(packet: bytes) -> bool:
    """Whether a PES packet (2.4.3.6) begins in this transport packet."""
    if not (packet[1] & 0x40 and packet[3] & 0x10):
        return False
    payload = 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)
    return packet[payload : payload + 3] == b"\0\0\1"
