"""Pictures out of PES packets: usually one each, but not always.

Where a PES packet holds several pictures only the first has a time of its own, the others follow
by the length of a frame. Both fields of a frame are one access unit. Specifications: ISO/IEC
13818-1 §2.4.3.7, §2.14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.h264 import H264Reader
from streamctl.media.h264.field import FieldPairs
from streamctl.media.hevc import HevcReader
from streamctl.media.mpeg2video import Mpeg2Reader
from streamctl.media.mpegts.units import split_units
from streamctl.media.mpegts.unpack import PesUnpacker
from streamctl.media.nal import split_annexb
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.mpegts.assemble import Pes
    from streamctl.media.mpegts.unpack import Found, ProgramTime
    from streamctl.media.packet import Track
    from streamctl.media.unit import TrackReader

FIELD_HEAD_BYTES = 4096
"""Enough of a picture to tell a field: its headers, and the start of its first slice."""

OPEN_GOP, LEADING, CORRUPT = int(Flag.OPEN_GOP), int(Flag.LEADING), int(Flag.CORRUPT)
"""As plain numbers, since the bits of an enum are slow to test."""

DEFAULT_STEP = TIMESCALE // 25
"""Between pictures of one PES packet whose rate nothing tells."""


@dataclass(slots=True)
class HeldField:
    """The first field of a frame."""

    data: bytes
    pts: int
    dts: int
    flags: int


PICTURE_READERS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.H264: lambda: H264Reader(byte_stream=True),
    Codec.HEVC: lambda: HevcReader(byte_stream=True),
    Codec.MPEG2: Mpeg2Reader,
}


class PictureUnpacker(PesUnpacker):
    """Video: usually one PES packet is one access unit, but not always."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.reader = PICTURE_READERS[track.codec]()
        self.fields = FieldPairs() if track.codec is Codec.H264 else None
        self._held: HeldField | None = None
        self._last = (0, 0)
        """Decoding time of the last PES packet, and how many units were in it."""
        self._open_point: int | None = None
        """PTS of an open random-access point whose leading pictures may come."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the pictures of a PES packet."""
        stamps = self.time.stamps(pes)
        if stamps is None:
            self.time.fault("a picture without a time")
            return
        flags = CORRUPT if pes.torn else 0
        pts, dts = stamps
        units = split_units(self.track.codec, pes.payload)
        distance = self._distance(dts)
        self._last = (dts, len(units))
        for number, data in enumerate(units):
            second = self.fields is not None and self._is_second(data, out)
            if second and self._held is not None:
                held, self._held = self._held, None
                self._read(held.data + data, held.pts, held.dts, held.flags | flags, out)
                continue
            if number:
                # The first picture may have told the rate.
                step = round(TIMESCALE / self.track.fps) if self.track.fps else distance
                pts, dts = pts + step, dts + step
            if self.fields is not None and self.fields.waiting is not None:
                self._held = HeldField(data, pts, dts, flags)
            else:
                self._read(data, pts, dts, flags, out)

    def flush(self, out: list[Found]) -> None:
        """Give what was held back, since nothing comes behind it."""
        super().flush(out)
        self._release(out)

    def _is_second(self, data: bytes, out: list[Found]) -> bool:
        """Whether a picture completes the frame of the field that is held; else that goes."""
        second = self.fields is not None and self.fields.second(
            split_annexb(data[:FIELD_HEAD_BYTES])
        )
        if not second:
            self._release(out)
        return second

    def _release(self, out: list[Found]) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._read(held.data, held.pts, held.dts, held.flags, out)

    def _distance(self, dts: int) -> int:
        """How far the pictures of the last PES packet were apart, which ended here."""
        last, count = self._last
        return (dts - last) // count if count and 0 < dts - last < TIMESCALE else DEFAULT_STEP

    def _read(self, data: bytes, pts: int, dts: int, flags: int, out: list[Found]) -> None:
        """Give one access unit."""
        try:
            unit = self.reader.unit(data)
        except ProtocolError as error:
            self.time.fault(str(error))
            return
        if unit.config is not None:
            self.announce(self.reader, out)
        if unit.kind is Kind.KEY:
            self._open_point = pts if unit.flags & OPEN_GOP else None
        elif self._open_point is not None and pts < self._open_point:
            flags |= LEADING
        else:
            self._open_point = None
        self.give(unit, pts, dts, flags, out)
