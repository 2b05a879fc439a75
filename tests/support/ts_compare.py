"""What passthrough did to the PIDs of a transport stream: nothing but one shift of its times.

:func:`compare` takes what was sent and what a viewer recorded, which may begin later and end
earlier. Payloads must be equal packet by packet, apart from the stamps of PES packets and the
time of splice cues; continuity counters may differ by one constant for each PID; and whatever
was added to the stamps must have been added to every stamp and every PCR of the program.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.ts import inspect
from tests.support.ts_build import WRAP, crc32
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SPLICE_INFO = 0xFC
BARE = frozenset((0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF))
"""Stream ids whose PES packets have no header fields (2.4.3.7)."""


@dataclass(frozen=True)
class Piece:
    """A packet's payload, or a whole section, without its times."""

    content: bytes
    """With zeros where times were."""
    stamps: tuple[int, ...] = ()
    counter: int = 0
    scrambled: bool = False


@dataclass
class Comparison:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    matched: dict[int, int] = field(default_factory=dict)
    """Packets, or sections, that came as they were sent, by PID."""
    offsets: set[int] = field(default_factory=set)
    """What was added to stamps and PCRs, modulo 2^33: one value, if all is well."""

    @property
    def offset(self) -> int:
        """The one thing that was added."""
        (one,) = self.offsets
        return one


def compare(
    sent: bytes,
    received: bytes,
    pids: Iterable[int] | dict[int, int],
    *,
    least: int = 1,
    open_groups: Iterable[int] = (),
) -> Comparison:
    """Compare some PIDs; a dictionary says under which PID each one comes out.

    Args:
        sent: the source, aligned.
        received: a recording, aligned.
        pids: those that must have passed.
        least: how many packets or sections of each must have come.
        open_groups: those of pictures where the ones that lead the first may be missing.
    """
    mapping = pids if isinstance(pids, dict) else {pid: pid for pid in pids}
    before, after = by_pid(sent), by_pid(received)
    found = Comparison()
    for source, target in mapping.items():
        leading = source in open_groups
        match(found, source, before.get(source, []), after.get(target, []), leading=leading)
        if found.matched.get(source, 0) < least:
            number = found.matched.get(source, 0)
            found.faults.append(f"PID {source}: {number} came, not {least}")
    clocks(found, sent, received)
    if len(found.offsets) > 1:
        found.faults.append(f"several offsets: {sorted(found.offsets)}")
    if not inspect(sent).continuity_errors:
        found.faults += inspect(received).continuity_errors
    return found


def match(
    found: Comparison, pid: int, before: list[bytes], after: list[bytes], *, leading: bool
) -> None:
    """Walk along one PID from where the recording begins."""
    first = next((one for one in before if one[1] & 0x40 and one[3] & 0x10), None)
    if first is not None and is_section(first):
        sent, received = list(whole_sections(before)), list(whole_sections(after))
    else:
        sent, received = list(payloads(before)), list(payloads(after))
    begin = place(sent, received)
    if begin is None:
        if received:
            found.faults.append(f"PID {pid}: nothing of it was sent")
        return
    turns: set[int] = set()
    for number, other in enumerate(received):
        if begin + number >= len(sent):
            break
        if leading and sent[begin + number].content != other.content:
            # Their packets are missing once; what follows has a number of its own again.
            skipped = place(sent[begin + number :], received[number:])
            begin, leading = begin + (skipped or 0), False
            turns.clear()
        one = sent[begin + number]
        if one.content != other.content:
            at = difference(one.content, other.content)
            found.faults.append(f"PID {pid}: packet {number} differs at byte {at}")
            break
        found.matched[pid] = number + 1
        if not one.scrambled:
            pairs = zip(one.stamps, other.stamps, strict=True)
            found.offsets |= {(late - early) % WRAP for early, late in pairs}
        turns.add((other.counter - one.counter) & 15)
    if len(turns) > 1:
        found.faults.append(f"PID {pid}: counters moved by {sorted(turns)}")


def place(sent: list[Piece], received: list[Piece], look: int = 8) -> int | None:
    """Where in the source the recording begins: at the first place of equal contents.

    If there is none, the first unit alone decides, since what follows it may be missing.
    """
    wanted = [one.content for one in received[:look]]
    unit = next((at for at, one in enumerate(received[:look]) if at and one.stamps), look)
    for first in (wanted, wanted[:unit]):
        for at, one in enumerate(sent):
            if first and one.content == first[0]:
                here = [each.content for each in sent[at : at + len(first)]]
                if here == first[: len(here)]:
                    return at
    return None


def by_pid(data: bytes) -> dict[int, list[bytes]]:
    """The packets of each PID."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for one in packets(data):
        found[pid_of(one)].append(one)
    return found


def payload_of(packet: bytes) -> int:
    """Where the payload begins."""
    return 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)


def is_section(packet: bytes) -> bool:
    """Whether a packet in which a unit begins carries sections rather than PES."""
    begin = payload_of(packet)
    return not packet[3] & 0xC0 and packet[begin : begin + 3] != b"\0\0\1"


def payloads(found: Iterable[bytes]) -> Iterator[Piece]:
    """The packets with a payload, repeated ones once."""
    last = b""
    for packet in found:
        if not packet[3] & 0x10 or packet == last:
            continue
        last = packet
        scrambled = bool(packet[3] & 0xC0)
        content = packet[payload_of(packet) :]
        stamps: tuple[int, ...] = ()
        if packet[1] & 0x40 and not scrambled:
            content, stamps = without_stamps(content)
        yield Piece(content, stamps, packet[3] & 15, scrambled)


def without_stamps(content: bytes) -> tuple[bytes, tuple[int, ...]]:
    """The first packet of a PES with its stamps zeroed, and the stamps."""
    if content[:3] != b"\0\0\1" or content[3] in BARE or len(content) < 9:
        return content, ()
    count = {2: 1, 3: 2}.get(content[7] >> 6, 0)
    end = 9 + 5 * count
    fields = [content[at : at + 5] for at in range(9, end, 5)]
    return content[:9] + bytes(5 * count) + content[end:], tuple(map(stamp_of, fields))


def stamp_of(field: bytes) -> int:
    """33 bits out of five bytes (2.4.3.7)."""
    high, middle, low = field[0] >> 1 & 7, field[1:3], field[3:5]
    return high << 30 | int.from_bytes(middle) >> 1 << 15 | int.from_bytes(low) >> 1


def whole_sections(found: Iterable[bytes]) -> Iterator[Piece]:
    """The sections of a PID, as the packets give them; without counters."""
    pending = b""
    for packet in found:
        if not packet[3] & 0x10:
            continue
        content = packet[payload_of(packet) :]
        if packet[1] & 0x40:
            pointer = content[0]
            if pending:
                yield from cut(pending + content[1 : 1 + pointer])[0]
            content, pending = content[1 + pointer :], b""
        elif not pending:
            continue
        pieces, pending = cut(pending + content)
        yield from pieces


def cut(data: bytes) -> tuple[list[Piece], bytes]:
    """The whole sections at the beginning, and the rest."""
    found: list[Piece] = []
    while len(data) >= 3 and data[0] != 0xFF:
        end = 3 + (int.from_bytes(data[1:3]) & 0xFFF)
        if end > len(data):
            return found, data
        found.append(without_times(data[:end]))
        data = data[end:]
    return found, b""


def without_times(section: bytes) -> Piece:
    """A section; of a splice cue with a time, that time apart (SCTE 35, 9.6)."""
    if section[0] != SPLICE_INFO:
        return Piece(section)
    assert crc32(section) == 0, f"the CRC of a cue is wrong: {section.hex()}"
    adjustment = int.from_bytes(section[4:9]) & WRAP - 1
    flags = section[4] & 0xFE
    content = section[:4] + bytes((flags,)) + section[9:-4]
    time = splice_time(section)
    return Piece(content, () if time is None else ((adjustment + time) % WRAP,))


def splice_time(section: bytes) -> int | None:
    """The time in a splice_insert (9.7.3) or time_signal (9.7.4), if there is one."""
    kind, command = section[13], section[14:]
    if kind == 0x06:
        at = 0
    elif kind == 0x05 and not command[4] & 0x80 and command[5] & 0x50 == 0x40:
        at = 6
    else:
        return None
    return int.from_bytes(command[at : at + 5]) & WRAP - 1 if command[at] & 0x80 else None


def clocks(found: Comparison, sent: bytes, received: bytes) -> None:
    """Every PCR that came must have been sent, at the one offset."""
    was = {value for _, _, value in pcrs(sent)}
    if len(found.offsets) != 1:
        return
    turn = WRAP * 300
    for _, pid, value in pcrs(received):
        if (value - found.offset * 300) % turn not in was:
            found.faults.append(f"PID {pid}: the PCR {value} was never sent")
            return


def pcrs(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each PCR stands, its PID and its 27 MHz value."""
    for number, one in enumerate(packets(data)):
        if one[3] & 0x20 and one[4] >= 7 and one[5] & 0x10:
            field = int.from_bytes(one[6:12])
            yield number * 188, pid_of(one), (field >> 15) * 300 + (field & 0x1FF)


def difference(one: bytes, other: bytes) -> int:
    """Where two contents begin to differ."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
