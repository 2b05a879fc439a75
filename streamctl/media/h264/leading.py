"""Pictures that lead an open random-access point: decoded behind it, shown before it.

They refer to pictures before the point, so whoever joins there can't decode them. H.264 has no
type for them; the picture order count in their slice headers tells. Specification: ITU-T H.264
§7.3.3 (slice header), §8.2.1 (picture order count).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.h264.unit import IDR, OPEN_GOP, SLICE_HEAD_BYTES, SLICES
from streamctl.media.nal import prefixed_spans, unescape
from streamctl.media.packet import Flag, Kind

if TYPE_CHECKING:
    from streamctl.media.h264.sps import Sps

SEPARATE_PLANES_POSSIBLE = 3
"""``chroma_format_idc`` whose slices may name their colour plane, which is not told apart."""

LEADING = int(Flag.LEADING)
"""As a plain number, since the bits of an enum are slow to test."""


class LeadingPictures:
    """Finds them for one track.

    It costs a slice header per picture, from the random-access point to the first picture that
    is shown behind it.
    """

    def __init__(self) -> None:
        self.sps: Sps | None = None
        self.point: int | None = None
        """Order count of the open random-access point whose leading pictures may come."""

    def use(self, sps: Sps | None) -> None:
        """Read slice headers by this parameter set; None = they can't be read."""
        ordered = sps is not None and sps.log2_max_poc_lsb > 0
        plain = sps is not None and sps.chroma_format != SEPARATE_PLANES_POSSIBLE
        self.sps = sps if ordered and plain else None
        self.point = None

    def flags(self, data: bytes, kind: Kind, flags: int) -> int:
        """The flags of the next unit, with ``LEADING`` if it is one.

        Only units that :meth:`concerns` are to be given.
        """
        count = self.order_count(data)
        if kind is Kind.KEY:
            self.point = count if flags & OPEN_GOP else None
        elif count is None or self.sps is None or self.point is None:
            self.point = None
        else:
            half = 1 << (self.sps.log2_max_poc_lsb - 1)
            if (count - self.point) % (2 * half) >= half:
                return flags | LEADING
            self.point = None
        return flags

    def concerns(self, flags: int) -> bool:
        """Whether a unit is an open random-access point, or may lead one."""
        return self.point is not None or bool(flags & OPEN_GOP)

    def order_count(self, data: bytes) -> int | None:
        """``pic_order_cnt_lsb`` of the first slice; None when it can't be told."""
        sps = self.sps
        if sps is None:
            return None
        try:
            for start, _ in prefixed_spans(data):
                kind = data[start] & 31
                if kind in SLICES:
                    reader = BitReader(unescape(data[start + 1 : start + SLICE_HEAD_BYTES]))
                    return read_order_count(reader, sps, idr=kind == IDR)
        except ProtocolError:
            pass
        return None


def read_order_count(reader: BitReader, sps: Sps, *, idr: bool) -> int:
    """``pic_order_cnt_lsb`` of a slice header.

    Raises:
        RemoteProtocolError: cut off.
    """
    for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
        reader.ue()
    reader.bits(sps.log2_max_frame_num)
    if not sps.frame_mbs_only and reader.flag():
        reader.flag()  # bottom_field_flag
    if idr:
        reader.ue()  # idr_pic_id
    return reader.bits(sps.log2_max_poc_lsb)
