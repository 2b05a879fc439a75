"""Access units out of the payload of a PES packet, which may hold several.

Specifications: ITU-T H.264 §7.4.1.2.3, ITU-T H.265 §7.4.2.4.4 (order of NAL units and first
ones of an access unit), ISO/IEC 13818-2 §6.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.h264 import unit as h264
from streamctl.media.hevc.unit import SLICES as HEVC_SLICES
from streamctl.media.hevc.unit import Nal
from streamctl.media.mpeg2video import CODING_EXTENSION, EXTENSION, GROUP, PICTURE, SEQUENCE
from streamctl.media.mpeg2video import FIRST_SLICE as MPEG2_FIRST_SLICE
from streamctl.media.mpeg2video import LAST_SLICE as MPEG2_LAST_SLICE
from streamctl.media.nal import MAX_UNITS
from streamctl.media.packet import Codec

if TYPE_CHECKING:
    from collections.abc import Callable

START_CODE = b"\0\0\1"
H264_DELIMITER = START_CODE + b"\x09"
HEVC_DELIMITER = START_CODE + b"\x46"
DELIMITER_AT = 2
"""A delimiter that stands at the start of a payload stands here at the latest."""

H264_HEADS = frozenset({6, 7, 8, 9, *range(15, 19)})
"""Types that begin a new access unit behind a slice; 14 does too, but stands before slices."""
HEVC_HEADS = frozenset(
    {Nal.VPS, Nal.SPS, Nal.PPS, Nal.DELIMITER, Nal.PREFIX_SEI, *range(41, 45), *range(48, 56)}
)
MPEG2_HEADS = frozenset({SEQUENCE, GROUP, PICTURE})
CODE_BYTES = 4
"""The last byte of a start code, and what tells whether a slice is the first of its picture."""
FIRST_SLICE = 0x80
"""``first_mb_in_slice`` 0, or ``first_slice_segment_in_pic_flag``."""
FRAME = 3
"""``picture_structure`` of a frame; others are fields."""


def split_units(codec: Codec, payload: bytes) -> list[bytes]:
    """The access units of a payload; what stands before the first one belongs to it."""
    starts = STARTS[codec](payload)
    if len(starts) < 2:
        return [payload]
    places = [0, *starts[1:], len(payload)]
    return [payload[at : places[number + 1]] for number, at in enumerate(places[:-1])]


def begins_unit(codec: Codec, payload: bytes) -> bool:
    """Whether an access unit begins at the start of a payload; else it goes on with the last.

    A payload that is too short to tell begins one, as nearly all do.
    """
    code = payload.lstrip(b"\0")
    if len(code) < CODE_BYTES:
        return True
    if code[0] != 1 or payload[:2] != b"\0\0":
        return False
    kind = code[1]
    if codec is Codec.MPEG2:
        return kind in MPEG2_HEADS
    if codec is Codec.HEVC:
        kind = kind >> 1 & 63
        return kind in HEVC_HEADS or (kind < HEVC_SLICES and bool(code[3] & FIRST_SLICE))
    kind &= 31
    return kind in H264_HEADS or (kind in h264.SLICES and bool(code[2] & FIRST_SLICE))


def first_unit(codec: Codec, data: bytes) -> int:
    """Where the first access unit begins; -1 if none does so far."""
    at = data.find(START_CODE)
    for _ in range(MAX_UNITS):
        if not 0 <= at <= len(data) - len(START_CODE) - CODE_BYTES + 1:
            break
        if begins_unit(codec, data[at : at + len(START_CODE) + CODE_BYTES]):
            return at
        at = data.find(START_CODE, at + 3)
    return -1


def codes(payload: bytes) -> list[int]:
    """Where each start code stands; what has too many of them can't be read in any way."""
    found: list[int] = []
    at = payload.find(START_CODE)
    while at >= 0 and len(found) < MAX_UNITS:
        found.append(at)
        at = payload.find(START_CODE, at + 3)
    return found


def h264_starts(payload: bytes) -> list[int]:
    """Where access units begin; fields are taken for units of their own."""
    if payload.count(H264_DELIMITER) == 1 and 0 <= payload.find(H264_DELIMITER) < DELIMITER_AT:
        return [0]
    starts: list[int] = []
    head = -1
    for at in codes(payload):
        kind = payload[at + 3] & 31 if at + 4 < len(payload) else 0
        if kind in H264_HEADS:
            head = at if head < 0 else head
        elif kind in h264.SLICES:
            # first_mb_in_slice 0 is a single 1 bit.
            if head >= 0 or payload[at + 4] & FIRST_SLICE or not starts:
                starts.append(at if head < 0 else head)
            head = -1
    return starts


def hevc_starts(payload: bytes) -> list[int]:
    """Where access units begin."""
    if payload.count(HEVC_DELIMITER) == 1 and 0 <= payload.find(HEVC_DELIMITER) < DELIMITER_AT:
        return [0]
    starts: list[int] = []
    head = -1
    for at in codes(payload):
        if at + 5 >= len(payload) or (payload[at + 3] & 1 or payload[at + 4] >> 3):
            continue
        kind = payload[at + 3] >> 1 & 63
        if kind in HEVC_HEADS:
            head = at if head < 0 else head
        elif kind < HEVC_SLICES:
            # first_slice_segment_in_pic_flag
            if head >= 0 or payload[at + 5] & FIRST_SLICE or not starts:
                starts.append(at if head < 0 else head)
            head = -1
    return starts


def mpeg2_starts(payload: bytes) -> list[int]:
    """Where access units begin; the second field of a frame belongs to the first."""
    starts: list[int] = []
    head = picture = -1
    field = waiting = 0
    for at in codes(payload):
        code = payload[at + 3] if at + 3 < len(payload) else EXTENSION
        if code in MPEG2_HEADS:
            head = at if head < 0 else head
            picture = at if code == PICTURE else picture
        elif code == EXTENSION and picture >= 0 and at + 6 < len(payload):
            if payload[at + 4] >> 4 == CODING_EXTENSION:
                field = payload[at + 6] & 3
        elif MPEG2_FIRST_SLICE <= code <= MPEG2_LAST_SLICE and head >= 0 and picture >= 0:
            second = head == picture and waiting and field == waiting ^ FRAME
            if not second:
                starts.append(head)
            waiting = 0 if second or field == FRAME else field
            head = picture = -1
    return starts


STARTS: dict[Codec, Callable[[bytes], list[int]]] = {
    Codec.H264: h264_starts,
    Codec.HEVC: hevc_starts,
    Codec.MPEG2: mpeg2_starts,
}
