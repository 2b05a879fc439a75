"""Moves the times in transport packets, in place, without taking anything apart.

Clock references (ISO/IEC 13818-1 §2.4.3.5), the timestamps of PES packets (§2.4.3.7) and the
adjustment of splice cues (SCTE 35 §9.6) get one offset, modulo 33 bits. Which packets have them,
and the offset, is decided by the caller. Buffers keep their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.mpegts.crc import crc32
from streamctl.media.mpegts.packet import (
    ADAPTATION_ONLY,
    DISCONTINUITY,
    PACKET_BYTES,
    PAYLOAD_BYTES,
    PCR_FLAG,
)
from streamctl.media.mpegts.pes import TIMESTAMP_MASK

if TYPE_CHECKING:
    from collections.abc import Sequence

OPCR_FLAG = 0x08
CLOCK_FLAGS = PCR_FLAG | OPCR_FLAG
"""Flags of the adaptation field."""

ERROR_AND_PID = 0x9F
"""Bits of the second byte of a packet: whether it is damaged, and the PID."""
STUFFING = b"\xff" * (PACKET_BYTES - 12)
"""Behind a clock reference that stands alone in its packet."""

HEAD_BYTES = 19
"""A PES header up to the end of its timestamps."""
PTS_FLAG = 0x80
DTS_FLAG = 0x40
NO_HEADER_IDS = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})
"""``stream_id`` of PES packets without flags and timestamps (§2.4.3.6)."""
STAMP_FRAME = 0xF100010001
"""Prefix and marker bits around a timestamp."""

CUE_TABLE_ID = 0xFC
SPLICE_SCHEDULE = 0x04
SPLICE_INSERT = 0x05
TIME_SIGNAL = 0x06
UNTIMED = frozenset({0x00, SPLICE_SCHEDULE, 0x07})
"""Commands that name no time of the program: null, by the time of day, bandwidth."""

Spans = list[tuple[int, int]]
"""Where the pieces of something stand in a buffer, in order."""


@dataclass(slots=True)
class Stamps:
    """Where a PES packet's times stand, counted from its first byte, and what they are."""

    pts: int
    """33 bits."""
    dts: int
    """33 bits; the PTS if there is no other."""
    has_dts: bool
    payload: int
    """Where the elementary stream begins."""


def read_stamps(head: bytes | bytearray) -> Stamps | None:
    """The times of a PES packet; None when it has none, or is none."""
    if len(head) < 14 or head[0] or head[1] or head[2] != 1 or head[3] in NO_HEADER_IDS:
        return None
    flags = head[7]
    if head[6] & 0xC0 != 0x80 or not flags & PTS_FLAG:
        return None
    pts = read_stamp(head, 9)
    has_dts = bool(flags & DTS_FLAG) and len(head) >= HEAD_BYTES
    dts = read_stamp(head, 14) if has_dts else pts
    return Stamps(pts, dts, has_dts, 9 + head[8])


def read_stamp(data: bytes | bytearray, position: int) -> int:
    """The timestamp in five bytes."""
    raw = int.from_bytes(data[position : position + 5], "big")
    return (raw >> 3) & 0x1C0000000 | (raw >> 2) & 0x3FFF8000 | (raw >> 1) & 0x7FFF


def move_stamp(data: bytearray, position: int, offset: int) -> None:
    """Add to the timestamp in five bytes; prefix and marker bits stay."""
    raw = int.from_bytes(data[position : position + 5], "big")
    value = (raw >> 3) & 0x1C0000000 | (raw >> 2) & 0x3FFF8000 | (raw >> 1) & 0x7FFF
    value = (value + offset) & TIMESTAMP_MASK
    spread = (value & 0x1C0000000) << 3 | (value & 0x3FFF8000) << 2 | (value & 0x7FFF) << 1
    data[position : position + 5] = (raw & STAMP_FRAME | spread).to_bytes(5, "big")


def read_clock(data: bytes | bytearray, packet: int) -> int | None:
    """The base of the clock reference of the packet at ``packet``; None without one."""
    if data[packet + 3] & 0x20 and data[packet + 4] >= 7 and data[packet + 5] & PCR_FLAG:
        return int.from_bytes(data[packet + 6 : packet + 11], "big") >> 7
    return None


def move_clocks(data: bytearray, packet: int, offset: int) -> None:
    """Add to the clock references of a packet that has an adaptation field."""
    flags = data[packet + 5]
    position = packet + 6
    end = packet + 5 + data[packet + 4]
    for flag in (PCR_FLAG, OPCR_FLAG):
        if flags & flag and position + 6 <= end:
            raw = int.from_bytes(data[position : position + 6], "big")
            base = ((raw >> 15) + offset) & TIMESTAMP_MASK
            data[position : position + 6] = (base << 15 | raw & 0x7FFF).to_bytes(6, "big")
            position += 6


def strip_to_clock(data: bytearray, packet: int, counter: int) -> None:
    """Leave nothing of a packet but its clock reference, before the next ``counter`` of its PID."""
    data[packet + 1] &= ERROR_AND_PID
    data[packet + 3] = ADAPTATION_ONLY | (counter - 1) & 15
    data[packet + 4] = PAYLOAD_BYTES - 1
    data[packet + 5] = data[packet + 5] & DISCONTINUITY | PCR_FLAG
    data[packet + 12 : packet + PACKET_BYTES] = STUFFING


def moved_cue(section: bytes, offset: int) -> bytes | None:
    """A splice information section with its adjustment moved; None when it names no time."""
    if len(section) < 18 or section[0] != CUE_TABLE_ID or crc32(section):
        return None
    encrypted = section[4] & 0x80
    if not encrypted and not names_time(section[13], section[14:-4]):
        return None
    raw = int.from_bytes(section[4:9], "big")
    adjustment = (raw + offset) & TIMESTAMP_MASK
    body = section[:4] + (raw & ~TIMESTAMP_MASK | adjustment).to_bytes(5, "big") + section[9:-4]
    return body + crc32(body).to_bytes(4, "big")


def names_time(command: int, body: bytes) -> bool:
    """Whether a splice command refers to a presentation time."""
    if command in UNTIMED:
        return False
    if command == TIME_SIGNAL:
        return bool(body[:1] and body[0] & 0x80)
    if command == SPLICE_INSERT:
        cancelled = len(body) < 6 or body[4] & 0x80
        return not cancelled and not body[5] & 0x10
    return True


def gather(data: bytes | bytearray, spans: Spans) -> bytearray:
    """The pieces as one."""
    out = bytearray()
    for start, end in spans:
        out += data[start:end]
    return out


def scatter(data: bytearray, spans: Spans, whole: bytes | bytearray) -> None:
    """Put the pieces of something of the same size back where they stood."""
    position = 0
    for start, end in spans:
        size = min(end - start, len(whole) - position)
        data[start : start + size] = whole[position : position + size]
        position += size


def payload_start(data: bytes | bytearray, packet: int) -> int:
    """Where the payload of a packet begins; at its end if it has none."""
    control = data[packet + 3]
    if not control & 0x10:
        return packet + PACKET_BYTES
    start = packet + 5 + data[packet + 4] if control & 0x20 else packet + 4
    return min(start, packet + PACKET_BYTES)


def payload_spans(data: bytes | bytearray, packets: Sequence[int], wanted: int) -> Spans:
    """Where the first ``wanted`` bytes of payload stand in these packets of one PID."""
    spans: Spans = []
    for packet in packets:
        start = payload_start(data, packet)
        end = min(packet + PACKET_BYTES, start + wanted)
        if end > start:
            spans.append((start, end))
            wanted -= end - start
        if not wanted:
            break
    return spans
