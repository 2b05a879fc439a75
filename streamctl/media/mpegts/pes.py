"""PES packet headers, written and read (ISO/IEC 13818-1 §2.4.3.6, §2.4.3.7)."""

from __future__ import annotations

from dataclasses import dataclass

START_CODE = b"\0\0\1"
FIXED_BYTES = 9
"""Of a header, up to the length of the rest."""
PLAIN_FIXED_BYTES = 6
PLAIN_STREAM_IDS = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})
"""Streams whose packets have no more than start code, id and length."""
PADDING_STREAM_ID = 0xBE

TIMESTAMP_MASK = (1 << 33) - 1
"""Timestamps on the wire are 33 bits; the wrap is seamless."""

PRIVATE_STREAM_ID = 0xBD
"""``private_stream_1``, which carries AC-3, E-AC-3 and Opus."""
AUDIO_STREAM_ID = 0xC0
VIDEO_STREAM_ID = 0xE0

MAX_AUDIO_BYTES = 0xFFFF - 8
"""Longest payload that ``PES_packet_length`` can tell, behind one timestamp."""

ALIGNED = b"\x84"
"""Marker bits and ``data_alignment_indicator``: every PES packet starts an access unit."""
PTS_ONLY = b"\x80\x05"
PTS_AND_DTS = b"\xc0\x0a"
"""``PTS_DTS_flags`` and ``PES_header_data_length``."""

MARKERS = 1 << 32 | 1 << 16 | 1
PTS_ALONE = 0x2 << 36 | MARKERS
PTS_FIRST = 0x3 << 36 | MARKERS
DTS_SECOND = 0x1 << 36 | MARKERS
"""Prefix and marker bits of the five bytes of a timestamp."""


def pes_header(stream_id: int, pts: int, dts: int, payload_len: int | None) -> bytes:
    """The header of a PES packet that carries one access unit.

    ``payload_len`` None leaves the length open, which only video may do.
    """
    if pts == dts:
        stamps = PTS_ONLY + timestamp(pts, PTS_ALONE)
    else:
        stamps = PTS_AND_DTS + timestamp(pts, PTS_FIRST) + timestamp(dts, DTS_SECOND)
    length = 0 if payload_len is None else 1 + len(stamps) + payload_len
    return b"\0\0\1%c%b%b%b" % (stream_id, length.to_bytes(2, "big"), ALIGNED, stamps)


def timestamp(value: int, marks: int) -> bytes:
    """The five bytes of an unwrapped timestamp, with its prefix and marker bits."""
    return (
        marks | (value & 0x1C0000000) << 3 | (value & 0x3FFF8000) << 2 | (value & 0x7FFF) << 1
    ).to_bytes(5, "big")


@dataclass(frozen=True, slots=True)
class PesHeader:
    """What the header of a PES packet says."""

    stream_id: int
    size: int
    """Bytes of the payload; -1 = until the next PES packet begins."""
    start: int
    """Where the payload begins."""
    pts: int | None = None
    """33 bits, as on the wire."""
    dts: int | None = None
    """The decoding time, which is the same if none is told."""
    scrambled: bool = False


def read_pes_header(data: bytes) -> PesHeader | None:
    """The header at the start of ``data``; None if that is none, or is not there in full.

    Timestamps whose marker bits are wrong are left out.
    """
    if data[:3] != START_CODE or len(data) < PLAIN_FIXED_BYTES:
        return None
    stream_id = data[3]
    length = data[4] << 8 | data[5]
    if stream_id in PLAIN_STREAM_IDS:
        return PesHeader(stream_id, length, PLAIN_FIXED_BYTES)
    if len(data) < FIXED_BYTES or len(data) < FIXED_BYTES + data[8] or data[6] & 0xC0 != 0x80:
        return None
    start = FIXED_BYTES + data[8]
    size = max(0, length + PLAIN_FIXED_BYTES - start) if length else -1
    flags = data[7] >> 6
    pts = read_timestamp(data, FIXED_BYTES) if flags & 2 and data[8] >= 5 else None
    dts = read_timestamp(data, FIXED_BYTES + 5) if flags == 3 and data[8] >= 10 else None
    scrambled = bool(data[6] & 0x30)
    return PesHeader(stream_id, size, start, pts, pts if dts is None else dts, scrambled)


def read_timestamp(data: bytes, at: int) -> int | None:
    """The 33 bits of a timestamp; None if its marker bits are wrong."""
    value = int.from_bytes(data[at : at + 5], "big")
    if value & MARKERS != MARKERS:
        return None
    return value >> 3 & 0x1C0000000 | value >> 2 & 0x3FFF8000 | value >> 1 & 0x7FFF
