"""Access units: the form of ``Packet.data``, the kind of picture, and Annex B for outputs.

Random-access points are told from the NAL units alone: an IDR picture, or an intra picture
from which decoding recovers at once, either because a recovery point SEI says so (§D.1.8)
or because it brings its parameter sets along. Specification: ITU-T H.264 §7.3, §7.4.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.nal import (
    START_CODE,
    byte_stream,
    join_length_prefixed,
    prefixed_spans,
    unescape,
)
from streamctl.media.packet import Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IDR = 5
SEI = 6
SPS = 7
PPS = 8
SLICES = frozenset({1, 2, 5})
REMOVED = frozenset({7, 8, 9, 10, 11, 12})
"""Parameter sets, delimiters, ends of sequence and stream, and filler, which ``Packet.data``
never holds: outputs write their own sets and delimiters, filler is waste, and an end of
sequence would reset the decoders of a spliced stream."""

# Looking a member up in its enum costs as much as a call.
KEY, P, B = Kind.KEY, Kind.P, Kind.B
OPEN_GOP = int(Flag.OPEN_GOP)
"""As a plain number, since the bits of an enum are slow to test."""

SLICE_HEAD_BYTES = 20
"""Enough of a slice for ``first_mb_in_slice`` and ``slice_type`` with escapes."""

SLICE_TYPES = "PBIPI"
"""Picture type by ``slice_type`` modulo 5 (table 7-6); SP and SI count as P and I."""

MAX_MESSAGE_UNITS, MAX_MESSAGE_BYTES = 16, 4096
"""SEI NAL units of a picture, and bytes of each, in which a recovery point is looked for: it stands
before all that may be long. Messages of no length make a list a hundred times their size."""
RECOVERY_POINT = 6
"""``payloadType`` of a recovery point SEI message; its payload begins with
``recovery_frame_cnt``, whose 0 is coded as a single 1 bit."""

DELIMITER = START_CODE + b"\x09\xf0"
"""An access unit delimiter that allows every slice type (``primary_pic_type`` 7)."""


@dataclass(slots=True)
class AccessUnit:
    """One access unit in the form of ``Packet.data``, and what was found in it."""

    data: bytes
    """Empty when nothing was left but parameter sets and delimiters."""
    kind: Kind
    flags: int
    sps: tuple[bytes, ...] = ()
    """Sequence parameter sets found in band."""
    pps: tuple[bytes, ...] = ()
    """Picture parameter sets found in band."""


def normalize(nals: Iterable[bytes]) -> AccessUnit:
    """Bring the NAL units of one access unit into the form of ``Packet.data``.

    SEI stays, since captions live there. A cut-off slice header makes the picture a P.
    """
    kept: list[bytes] = []
    sps: list[bytes] = []
    pps: list[bytes] = []
    for nal in nals:
        if not nal:
            continue
        kind = nal[0] & 31
        if kind not in REMOVED:
            kept.append(nal)
        elif kind == SPS:
            sps.append(nal)
        elif kind == PPS:
            pps.append(nal)
    picture, flags = classify(kept, bool(sps and pps))
    return AccessUnit(join_length_prefixed(kept), picture, flags, tuple(sps), tuple(pps))


def normalize_prefixed(data: bytes, size: int = 4) -> AccessUnit:
    """Like :func:`normalize`, from length-prefixed form; usually without copying.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    spans = prefixed_spans(data, size)
    heads = []
    expected = size
    for start, end in spans:
        kind = data[start] & 31
        if kind in REMOVED or start != expected:
            break
        # Messages are read as a whole, of slices only the head counts.
        heads.append(data[start : end if kind == SEI else start + SLICE_HEAD_BYTES])
        expected = end + size
    else:
        if size == 4 and expected == len(data) + size:
            return AccessUnit(data, *classify(heads, False))
    return normalize([data[start:end] for start, end in spans])


def annexb(data: bytes, prefix: bytes = b"") -> bytes:
    """The byte stream form of a ``Packet.data``, behind a delimiter and ``prefix``.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    return byte_stream(DELIMITER + prefix, data)


def first_slice_types() -> tuple[str, ...]:
    """Picture type by the first byte of a slice header; empty where one byte can't tell.

    Most slices are the first of their picture: ``first_mb_in_slice`` is a single 1 bit, and the
    code of ``slice_type`` fits into the seven bits behind it.
    """
    table = []
    for byte in range(256):
        zeros = 7 - (byte & 0x7F).bit_length()
        width = 2 * zeros + 1
        known = byte & 0x80 and width <= 7
        number = ((byte & 0x7F) >> (7 - width)) - 1 if known else -1
        table.append(SLICE_TYPES[number % 5] if 0 <= number < 10 else "")
    return tuple(table)


FIRST_SLICE_TYPES = first_slice_types()


def classify(units: Iterable[bytes], parameter_sets: bool) -> tuple[Kind, int]:
    """Kind and flags of the picture whose units (or their heads) these are.

    An item may hold both fields of a frame; the first one decides whether it is intra.
    """
    messages = []
    types = []
    fields = 0
    for unit in units:
        kind = unit[0] & 31
        if kind == IDR:
            return KEY, 0
        if kind in SLICES:
            picture, first = slice_type(unit)
            fields += first
            if picture == "P" and fields <= 1:
                return P, 0
            types.append((picture, fields))
        elif kind == SEI:
            messages.append(unit)
    if not types:
        return P, 0
    if all(picture == "B" for picture, _ in types):
        return B, 0
    if all(picture == "I" for picture, field in types if field <= 1) and (
        parameter_sets or recovers_at_once(messages)
    ):
        return KEY, OPEN_GOP
    return P, 0


def slice_type(unit: bytes) -> tuple[str, bool]:
    """Picture type of a slice, and whether it is the first of its picture."""
    picture = FIRST_SLICE_TYPES[unit[1]] if len(unit) > 1 else ""
    if picture:
        return picture, True
    try:
        reader = BitReader(unescape(unit[1:SLICE_HEAD_BYTES]))
        first = reader.ue() == 0
        return SLICE_TYPES[reader.ue() % 5], first
    except RemoteProtocolError:
        return "P", False


def recovers_at_once(messages: Sequence[bytes]) -> bool:
    """Whether a recovery point SEI with ``recovery_frame_cnt`` 0 is among the messages."""
    return any(
        kind == RECOVERY_POINT and payload[:1] >= b"\x80"
        for message in messages[:MAX_MESSAGE_UNITS]
        for kind, payload in sei_payloads(message[:MAX_MESSAGE_BYTES])
    )


def sei_payloads(nal: bytes) -> list[tuple[int, bytes]]:
    """Type and payload of each message of an SEI NAL unit (§7.3.2.3); a torn end is ignored."""
    data = unescape(nal[1:])
    payloads = []
    position = 0
    # A message is two bytes at least; what is shorter is the trailing stop bit.
    while position + 2 < len(data):
        kind, position = sei_number(data, position)
        size, position = sei_number(data, position)
        if position + size > len(data):
            break
        payloads.append((kind, data[position : position + size]))
        position += size
    return payloads


def sei_number(data: bytes, position: int) -> tuple[int, int]:
    """A number coded as a run of 0xFF and a last byte, and where it ends."""
    start = position
    while data[position : position + 1] == b"\xff":
        position += 1
    last = data[position] if position < len(data) else 0
    return 255 * (position - start) + last, position + 1
