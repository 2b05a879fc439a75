"""What the picture at the start of a PES packet is, from as few bytes as tell it.

The rules are those of the codecs' modules, which read whole access units; here the first slice
decides wherever it can. ``random_access_indicator`` is not asked: encoders set it on every frame,
or never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.h264 import unit as h264
from streamctl.media.h264.field import FieldPairs
from streamctl.media.hevc.unit import CLASSES
from streamctl.media.hevc.unit import SLICES as HEVC_SLICES
from streamctl.media.mpeg2video import parse_picture
from streamctl.media.nal import split_annexb, unescape
from streamctl.media.packet import Codec, Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, P = Kind.KEY, Kind.P
OPEN_GOP = int(Flag.OPEN_GOP)

ALL_SLICES_ALIKE = 5
"""From this ``slice_type`` on all slices of the picture have the type of the first."""

Seen = tuple[Kind, int]
"""Kind and flags of a picture."""


class H264Probe:
    """Looks at H.264; the second field of a frame is no picture of its own."""

    codec = Codec.H264

    def __init__(self) -> None:
        self.fields = FieldPairs()

    def look(self, data: bytes, whole: bool) -> Seen | None:
        """Kind and flags; None if more bytes are needed, which ``whole`` says won't come."""
        nals = split_annexb(data)
        sets: set[int] = set()
        messages: list[bytes] = []
        for place, nal in enumerate(nals):
            kind = nal[0] & 31
            if kind in h264.SLICES:
                if place == len(nals) - 1 and not whole and self._too_short(nal):
                    return None
                seen = look_at_slice(nal, messages, {h264.SPS, h264.PPS} <= sets)
                if seen is None and whole:
                    unit = h264.normalize(nals)
                    return unit.kind, unit.flags
                return seen
            if kind == h264.SEI:
                messages.append(nal)
            sets.add(kind)
        return (P, 0) if whole else None

    def _too_short(self, nal: bytes) -> bool:
        """Whether the start of a slice does not tell its type, and its field if it may be one."""
        if len(nal) >= h264.SLICE_HEAD_BYTES:
            return False
        sps = self.fields.sps
        progressive = sps is None or sps.frame_mbs_only
        return not (progressive and len(nal) > 1 and h264.FIRST_SLICE_TYPES[nal[1]] in {"P", "B"})

    def second_field(self, data: bytes) -> bool:
        """Whether a picture that could be told belongs to the one before it."""
        return self.fields.second(split_annexb(data))


def look_at_slice(nal: bytes, messages: list[bytes], sets: bool) -> Seen | None:
    """Kind and flags by the first slice of a picture; None if it can't be told by it."""
    if nal[0] & 31 == h264.IDR:
        return KEY, 0
    picture, _ = h264.slice_type(nal)
    if picture != "I":
        return (Kind.B if picture == "B" else P), 0
    if h264.recovers_at_once(messages):
        return KEY, OPEN_GOP
    if not sets:
        return P, 0
    try:
        reader = BitReader(unescape(nal[1 : h264.SLICE_HEAD_BYTES]))
        reader.ue()  # first_mb_in_slice
        return (KEY, OPEN_GOP) if reader.ue() >= ALL_SLICES_ALIKE else None
    except ProtocolError:
        return P, 0


class HevcProbe:
    """Looks at HEVC, where the types of NAL units tell all."""

    codec = Codec.HEVC

    def look(self, data: bytes, whole: bool) -> Seen | None:
        """Kind and flags; None if more bytes are needed, which ``whole`` says won't come."""
        for nal in split_annexb(data):
            kind = nal[0] >> 1 & 63
            if kind < HEVC_SLICES:
                return CLASSES[kind]
        return (P, 0) if whole else None

    def second_field(self, data: bytes) -> bool:
        """Never: fields of HEVC are pictures of their own."""
        del data
        return False


class Mpeg2Probe:
    """Looks at MPEG-2 video."""

    codec = Codec.MPEG2

    def look(self, data: bytes, whole: bool) -> Seen | None:
        """Kind and flags; None if more bytes are needed, which ``whole`` says won't come."""
        picture = parse_picture(data)
        if picture is None:
            return (P, 0) if whole else None
        return picture.kind, picture.flags

    def second_field(self, data: bytes) -> bool:
        """Never: both fields travel in one PES packet."""
        del data
        return False


Probe = H264Probe | HevcProbe | Mpeg2Probe

PROBES: dict[Codec, Callable[[], Probe]] = {
    Codec.H264: H264Probe,
    Codec.HEVC: HevcProbe,
    Codec.MPEG2: Mpeg2Probe,
}
"""By the codecs whose pictures can be told."""
