"""Open bitstream units: the form of ``Packet.data``, and what picture it holds.

``Packet.data`` is one temporal unit in the low-overhead format, every OBU with its size, without
temporal delimiters and padding. Random access is told from the first frame header: a key frame
that is shown. Key frames that are shown later refer to nothing either, but pictures in between
do. Specification: AV1 Bitstream & Decoding Process §5.3, §5.9.2, §7.5, §7.6.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import Kind


class Obu(enum.IntEnum):
    """``obu_type`` of the units that are told apart."""

    SEQUENCE_HEADER = 1
    TEMPORAL_DELIMITER = 2
    FRAME_HEADER = 3
    FRAME = 6
    PADDING = 15


REMOVED = frozenset({Obu.TEMPORAL_DELIMITER, Obu.PADDING})
FRAMES = frozenset({Obu.FRAME_HEADER, Obu.FRAME})

FORBIDDEN = 0x80
HAS_EXTENSION = 0x04
HAS_SIZE = 0x02
"""Bits of the OBU header."""

SHOWN_KEY_FRAME = 0x10
SHOWN_KEY_MASK = 0xF0
"""``show_existing_frame`` 0, ``frame_type`` KEY_FRAME, ``show_frame`` 1: the first four bits of a
frame header."""

MAX_LEB128_BYTES = 8
MAX_UNITS = 10_000
"""Of a temporal unit: there are 4096 tiles at most, and a frame or two. One of nothing but units
takes seconds."""


@dataclass(slots=True)
class TemporalUnit:
    """One temporal unit in the form of ``Packet.data``, and what was found in it."""

    data: bytes
    kind: Kind
    sequence: bytes = b""
    """The payload of its sequence header; empty when it has none."""


def normalize(data: bytes) -> TemporalUnit:
    """Bring a temporal unit into the form of ``Packet.data``; usually without copying.

    Raises:
        RemoteProtocolError: an OBU is damaged or longer than the unit, or there are too many.
    """
    parts: list[bytes] = []
    taken = position = count = 0
    kind: Kind | None = None
    sequence = b""
    total = len(data)
    while position < total:
        count += 1
        if count > MAX_UNITS:
            raise RemoteProtocolError(f"an AV1 temporal unit of more than {MAX_UNITS} OBUs")
        head = data[position]
        start, end = payload_span(data, position)
        number = head >> 3 & 15
        if number in REMOVED or not head & HAS_SIZE:
            parts.append(data[taken:position])
            if number not in REMOVED:
                parts += (bytes((head | HAS_SIZE,)), data[position + 1 : start])
                parts += (leb128(end - start), data[start:end])
            taken = end
        if number == Obu.SEQUENCE_HEADER:
            sequence = data[start:end]
        elif kind is None and number in FRAMES and end > start:
            shown_key = data[start] & SHOWN_KEY_MASK == SHOWN_KEY_FRAME
            kind = Kind.KEY if shown_key else Kind.P
        position = end
    if taken:
        data = b"".join((*parts, data[taken:]))
    return TemporalUnit(data, Kind.P if kind is None else kind, sequence)


def payload_span(data: bytes, position: int) -> tuple[int, int]:
    """Start and end of the payload of the OBU at a position; without a size it is the last.

    Raises:
        RemoteProtocolError: damaged, or longer than the data.
    """
    head = data[position]
    start = position + (2 if head & HAS_EXTENSION else 1)
    end = len(data)
    if head & HAS_SIZE:
        if start < end and data[start] < 0x80:
            size, start = data[start], start + 1
        else:
            size, start = read_leb128(data, start)
        end = start + size
    if head & FORBIDDEN or end > len(data) or start > end:
        raise RemoteProtocolError("an AV1 OBU is damaged or cut off")
    return start, end


def read_leb128(data: bytes, position: int) -> tuple[int, int]:
    """A size, and where it ends (§4.10.5).

    Raises:
        RemoteProtocolError: cut off or longer than sizes may be.
    """
    value = 0
    for index, byte in enumerate(data[position : position + MAX_LEB128_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise RemoteProtocolError("the size of an AV1 OBU is cut off")


def leb128(value: int) -> bytes:
    """The shortest form of a size."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sequence_header_obu(payload: bytes) -> bytes:
    """A sequence header as an OBU with its size."""
    return bytes((Obu.SEQUENCE_HEADER << 3 | HAS_SIZE,)) + leb128(len(payload)) + payload
