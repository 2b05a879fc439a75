"""Field pictures: which one is the second of its frame.

Both fields of a frame are one item wherever access units are counted. Specification: ITU-T H.264
§7.3.3 (slice header), §7.4.1.2.4 (first slice of a picture).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.h264.sps import parse_sps
from streamctl.media.h264.unit import SLICE_HEAD_BYTES, SLICES, SPS
from streamctl.media.nal import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.h264.sps import Sps


class FieldPairs:
    """Follows the pictures of one track, whose parameter sets come in band."""

    def __init__(self) -> None:
        self.sps: Sps | None = None
        self.waiting: tuple[int, bool] | None = None
        """Frame number and parity of a first field whose second one is to come."""

    def second(self, nals: Iterable[bytes]) -> bool:
        """Whether the picture of these NAL units completes the frame of the one before it.

        The heads of the units are enough, and so are those up to the first slice.
        """
        for nal in nals:
            kind = nal[0] & 31
            if kind == SPS:
                with suppress(ProtocolError):
                    self.sps = parse_sps(nal)
            elif kind in SLICES:
                return self._slice(nal)
        return False

    def _slice(self, nal: bytes) -> bool:
        sps = self.sps
        field = None
        if sps is not None and not sps.frame_mbs_only:
            with suppress(ProtocolError):
                field = read_field(BitReader(unescape(nal[1:SLICE_HEAD_BYTES])), sps)
        first, self.waiting = self.waiting, field
        if first is None or field is None or first != (field[0], not field[1]):
            return False
        self.waiting = None
        return True


def read_field(reader: BitReader, sps: Sps) -> tuple[int, bool] | None:
    """Frame number and parity (True = bottom) of a field; None for a frame.

    Raises:
        RemoteProtocolError: cut off.
    """
    for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
        reader.ue()
    number = reader.bits(sps.log2_max_frame_num)
    if not reader.flag():  # field_pic_flag
        return None
    return number, reader.flag()
