"""PES packet headers (ISO/IEC 13818-1 §2.4.3.6, §2.4.3.7)."""

from __future__ import annotations

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
