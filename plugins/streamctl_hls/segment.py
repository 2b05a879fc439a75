"""A finished segment, and what of MPEG-TS packaging has to know about its bytes.

A segment is the tuple of its chunks' ``data``: nothing is copied. MPEG-TS itself (ISO/IEC
13818-1) is made by the converter of the ``mpegts`` lane; here only table packets are found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.sdk.endpoints import Bytes

PACKET_BYTES = 188
"""Size of a transport packet (ISO/IEC 13818-1 2.4.3.2)."""
PAT_PID = 0
NAME = re.compile(r"s[0-9]{1,20}_[0-9]{1,20}\.ts")
"""What :func:`segment_name` makes."""


def segment_name(generation: int, number: int) -> str:
    """The file name of a segment; no other segment of this stream ever has it."""
    return f"s{generation}_{number}.ts"


@dataclass(slots=True, eq=False)
class Segment:
    """A run of media that starts and ends on chunk boundaries."""

    name: str
    number: int
    """Media sequence number."""
    start: int
    """Media time of the first picture, 90 kHz."""
    end: int
    """Media time where the next segment takes over, or where the media ends, 90 kHz."""
    parts: tuple[bytes, ...]
    """The bytes while they are held in memory; empty when they lie on the disk alone."""
    size: int
    """Bytes of all parts."""
    wall: float
    """Unix time of ``start``."""
    discontinuity: bool
    """Nothing connects this segment with the one before it."""
    independent: bool
    """It starts with a random-access point."""
    discontinuity_sequence: int = 0
    """How many discontinuities there were up to this segment, its own included."""
    reply: Bytes | None = None
    """The response of ``parts``, once somebody asked: one for all, so that the server can keep
    what it makes of it."""

    @property
    def duration(self) -> float:
        """Seconds of media time."""
        return (self.end - self.start) / TIMESCALE


def tables(parts: Sequence[bytes]) -> bytes:
    """The newest PAT and PMT packets that stand together in ``parts``; empty if there are none.

    Only the head of a part is looked at, which is where the converter puts tables.
    """
    for data in reversed(parts):
        start = _find_pat(data)
        if start is None:
            continue
        end = start + PACKET_BYTES
        pmt_pid = _pid(data, end)
        while end < len(data) and _pid(data, end) == pmt_pid:
            end += PACKET_BYTES
        return data[start:end]
    return b""


def _pid(data: bytes, offset: int) -> int:
    return (data[offset + 1] & 0x1F) << 8 | data[offset + 2] if offset + 2 < len(data) else -1


def _find_pat(data: bytes) -> int | None:
    """Offset of the first PAT, behind nothing but packets without payload."""
    for offset in range(0, len(data), PACKET_BYTES):
        has_payload = offset + 3 < len(data) and data[offset + 3] & 0x10
        if has_payload:
            return offset if _pid(data, offset) == PAT_PID else None
    return None
