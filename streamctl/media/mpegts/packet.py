"""Transport stream packets of one PID: payload, stuffing, continuity, adaptation fields.

Specification: ISO/IEC 13818-1 §2.4.3.2 to §2.4.3.5. The bytes of an access unit are spread
in C, by ``struct`` and ``join``; nothing here runs once per packet.
"""

from __future__ import annotations

from struct import Struct

PACKET_BYTES = 188
PAYLOAD_BYTES = 184

PAYLOAD_START = 0x40
ADAPTATION_ONLY = 0x20
PAYLOAD_ONLY = 0x10
ADAPTATION_AND_PAYLOAD = 0x30

DISCONTINUITY = 0x80
RANDOM_ACCESS = 0x40
PCR_FLAG = 0x10
"""Flags of the adaptation field."""

BLOCK = 64
"""Packets that are cut by one ``Struct``, so that the table of them stays small."""

CUTTERS = tuple(Struct(f"{PAYLOAD_BYTES}s" * count) for count in range(BLOCK + 1))
"""Cuts a buffer into that many payloads."""

STUFFING = (b"", b"\0", *(bytes((size - 1, 0)) + b"\xff" * (size - 2) for size in range(2, 185)))
"""Adaptation fields that only fill that many bytes."""


def pcr_field(flags: int, pcr: int) -> bytes:
    """Flags and program clock reference of an adaptation field; ``pcr`` in 90 kHz ticks."""
    base = pcr & 0x1FFFFFFFF
    return bytes((flags | PCR_FLAG,)) + (base << 15 | 0x7E00).to_bytes(6, "big")


class PacketWriter:
    """Writes the packets of one PID and counts its continuity."""

    __slots__ = ("continuity", "pid", "plain", "start", "start_adapted", "tail")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.continuity = 0
        """Counter of the next packet with payload."""
        self.start = headers(pid, PAYLOAD_START, PAYLOAD_ONLY)
        self.start_adapted = headers(pid, PAYLOAD_START, ADAPTATION_AND_PAYLOAD)
        self.tail = headers(pid, 0, ADAPTATION_AND_PAYLOAD)
        self.plain = headers(pid, 0, PAYLOAD_ONLY) * (BLOCK // 16 + 1)

    def unit(self, data: bytes, fields: bytes = b"") -> bytes:
        """The packets of one PES packet.

        ``fields`` are the flags and values of an adaptation field for the first packet. The
        last packet is filled up by an adaptation field.
        """
        counter = self.continuity
        size = len(data)
        room = PAYLOAD_BYTES - 1 - len(fields) if fields else PAYLOAD_BYTES
        if size < room:
            self.continuity = (counter + 1) & 15
            return self.single(counter, data, fields, room - size)
        full, rest = divmod(size - room, PAYLOAD_BYTES)
        if fields:
            parts = [self.start_adapted[counter], bytes((len(fields),)), fields, data[:room]]
        else:
            parts = [self.start[counter], data[:room]]
        counter += 1
        position = room
        while full:
            count = min(full, BLOCK)
            first = counter & 15
            block: list[bytes] = [b""] * (2 * count)
            block[::2] = self.plain[first : first + count]
            block[1::2] = CUTTERS[count].unpack_from(data, position)
            parts += block
            position += count * PAYLOAD_BYTES
            counter += count
            full -= count
        if rest:
            parts += (self.tail[counter & 15], STUFFING[PAYLOAD_BYTES - rest], data[position:])
            counter += 1
        self.continuity = counter & 15
        return b"".join(parts)

    def single(self, counter: int, data: bytes, fields: bytes, spare: int) -> bytes:
        """One packet with ``spare`` bytes of stuffing in its adaptation field."""
        if not fields:
            return self.start_adapted[counter] + STUFFING[spare] + data
        length = len(fields) + spare
        stuffing = b"\xff" * spare
        return b"".join((self.start_adapted[counter], bytes((length,)), fields, stuffing, data))

    def section(self, section: bytes) -> bytes:
        """The packets of one PSI section, filled up behind it."""
        data = b"\0" + section
        return self.unit(data + b"\xff" * (-len(data) % PAYLOAD_BYTES))

    def signal(self, fields: bytes, following: int | None = None) -> bytes:
        """One packet without payload, hence without a count of its own.

        ``following`` is the counter that comes next, if that is not the writer's.
        """
        counter = self.continuity if following is None else following
        head = packet_header(self.pid, 0, ADAPTATION_ONLY, (counter - 1) & 15)
        return (head + bytes((PAYLOAD_BYTES - 1,)) + fields).ljust(PACKET_BYTES, b"\xff")

    def discontinuity(self, following: int | None = None) -> bytes:
        """The packet that announces the next counter to those who saw another one."""
        return self.signal(bytes((DISCONTINUITY,)), following)


def headers(pid: int, flags: int, control: int) -> list[bytes]:
    """The packet headers for each value of the continuity counter."""
    return [packet_header(pid, flags, control, counter) for counter in range(16)]


def packet_header(pid: int, flags: int, control: int, counter: int) -> bytes:
    """The four bytes in front of a packet."""
    return bytes((0x47, flags | pid >> 8, pid & 0xFF, control | counter))
