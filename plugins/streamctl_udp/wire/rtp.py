"""RTP packets that carry MPEG-TS: where the payload lies, and headers of our own.

Specifications: RFC 3550 section 5.1 (header), RFC 2250 section 2, RFC 3551 section 5 (payload
type 33).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

HEADER = Struct("!BBHII")
HEADER_BYTES = HEADER.size
VERSION = 0x80
VERSION_MASK = 0xC0
PADDING = 0x20
EXTENSION = 0x10
SOURCES = 0x0F
MARKER = 0x80
MP2T = 33
"""The payload type of MPEG-TS."""
EXTENSION_HEADER = Struct("!HH")
SEQUENCE_MASK = 0xFFFF
CLOCK_HZ = 90_000


def payload(data: memoryview, size: int) -> tuple[int, int]:
    """Where the payload of an RTP packet begins and ends; the end before the beginning = none.

    ``data`` may be longer than the packet, whose ``size`` is given.
    """
    if size < HEADER_BYTES:
        return 0, -1
    first = data[0]
    begin = HEADER_BYTES + 4 * (first & SOURCES)
    if first & EXTENSION:
        if begin + EXTENSION_HEADER.size > size:
            return begin, -1
        words = EXTENSION_HEADER.unpack_from(data, begin)[1]
        begin += EXTENSION_HEADER.size + 4 * words
    end = size
    if first & PADDING:
        padding = data[size - 1]
        end = size - padding if padding else -1
    return begin, end


@dataclass(slots=True)
class Sequence:
    """Follows the sequence numbers of one source; gaps are counted, by packets too."""

    expected: int = -1
    """The next number; -1 before the first packet."""
    source: int = -1
    """The SSRC."""
    gaps: int = 0
    lost: int = 0
    """Packets that never came, or too late."""
    late: int = 0
    """Packets that came after their successors, or twice."""
    restarts: int = 0
    """Changes of the source, or of its numbering."""

    def follows(self, number: int, source: int) -> bool:
        """Whether a packet goes on from those before; a late one is to be thrown away."""
        if source != self.source:
            self.restarts += self.source >= 0
            self.source = source
        elif number != self.expected:
            distance = (number - self.expected) & SEQUENCE_MASK
            if distance < MAX_GAP:
                self.gaps += 1
                self.lost += distance
            elif SEQUENCE_MASK + 1 - distance <= MAX_LATE:
                self.late += 1
                return False
            else:
                self.restarts += 1
        self.expected = (number + 1) & SEQUENCE_MASK
        return True


MAX_GAP = 0x8000
"""Half of all numbers, 7 s at 50 Mbit/s: senders that begin anew take another SSRC."""
MAX_LATE = 100
"""Further behind is a new beginning (RFC 3550, appendix A.1)."""


class RtpWriter:
    """Puts headers before runs of transport packets."""

    __slots__ = ("_marker", "number", "source")

    def __init__(self, source: int, number: int) -> None:
        """``source`` (the SSRC) and the first ``number`` should be random (section 5.1)."""
        self.source = source & 0xFFFFFFFF
        self.number = number & SEQUENCE_MASK
        self._marker = MARKER

    def header(self, seconds: float) -> bytes:
        """The header of the next packet, whose first byte is due at a time of our clock."""
        header = HEADER.pack(
            VERSION,
            self._marker | MP2T,
            self.number,
            int(seconds * CLOCK_HZ) & 0xFFFFFFFF,
            self.source,
        )
        self._marker = 0
        self.number = (self.number + 1) & SEQUENCE_MASK
        return header
