"""RTP packets: the fixed header, and where the payload lies.

Contributing sources, header extensions and padding are skipped: nothing that streamctl takes or
makes needs them. What is in the payload is the depacketisers' business.
Specification: RFC 3550, section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from streamctl.errors import RemoteProtocolError

HEADER = Struct("!BBHII")
HEADER_BYTES = HEADER.size
VERSION = 0x80
VERSION_MASK = 0xC0
PADDING = 0x20
EXTENSION = 0x10
SOURCES = 0x0F
MARKER = 0x80
TYPE_MASK = 0x7F
EXTENSION_HEADER = Struct("!HH")
SEQUENCE_MASK = 0xFFFF
TIMESTAMP_MASK = 0xFFFFFFFF
CONTROL_TYPES = range(192, 224)
"""Second bytes that mean RTCP where both share a port (RFC 5761, section 4)."""


@dataclass(slots=True)
class RtpPacket:
    """One packet; the payload is a view of the bytes that it was read from."""

    payload_type: int
    marker: bool
    sequence: int
    """16 bits, as on the wire."""
    timestamp: int
    """32 bits, as on the wire, on the clock of the payload format."""
    ssrc: int
    payload: memoryview


def parse(data: bytes | memoryview) -> RtpPacket:
    """The packet in ``data``, whose payload stays a view of it.

    Raises:
        RemoteProtocolError: not an RTP packet.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise RemoteProtocolError(f"an RTP packet of {size} bytes")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    view = data if type(data) is memoryview else memoryview(data)
    payload = view[HEADER_BYTES:] if first == VERSION else unusual(view, first)
    return RtpPacket(second & TYPE_MASK, second >= MARKER, sequence, timestamp, ssrc, payload)


def unusual(view: memoryview, first: int) -> memoryview:
    """The payload of a packet with more than the fixed header, or less.

    Raises:
        RemoteProtocolError: not an RTP packet.
    """
    if first & VERSION_MASK != VERSION:
        raise RemoteProtocolError(f"version {first >> 6} of RTP")
    size = len(view)
    begin = HEADER_BYTES + 4 * (first & SOURCES)
    if first & EXTENSION:
        if begin + EXTENSION_HEADER.size > size:
            raise RemoteProtocolError("the RTP header extension is cut off")
        begin += EXTENSION_HEADER.size + 4 * EXTENSION_HEADER.unpack_from(view, begin)[1]
    end = size
    if first & PADDING:
        padding = view[size - 1]
        if not padding:
            raise RemoteProtocolError("RTP padding of no bytes")
        end -= padding
    if begin > end:
        raise RemoteProtocolError("the RTP header is longer than its packet")
    return view[begin:end]


def header(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, *, marker: bool = False
) -> bytes:
    """The fixed header of a packet; numbers are cut to the bits that they have."""
    return HEADER.pack(
        VERSION,
        (MARKER if marker else 0) | payload_type & TYPE_MASK,
        sequence & SEQUENCE_MASK,
        timestamp & TIMESTAMP_MASK,
        ssrc & TIMESTAMP_MASK,
    )


def serialise(packet: RtpPacket) -> bytes:
    """The bytes of a packet without anything optional."""
    head = header(
        packet.payload_type,
        packet.sequence,
        packet.timestamp,
        packet.ssrc,
        marker=packet.marker,
    )
    return head + packet.payload


def is_control(data: bytes | memoryview) -> bool:
    """Whether a datagram is RTCP, on a port that carries both (RFC 5761, section 4)."""
    return len(data) > 1 and data[1] in CONTROL_TYPES
