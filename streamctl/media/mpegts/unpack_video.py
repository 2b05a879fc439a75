"""Pictures out of PES packets: usually one each, but not always.

Where several pictures begin in a PES packet only the first has a time of its own, the others
follow by the length of a frame; where none begins at its start, the last picture ends there. Both
fields of a frame are one access unit. Specifications: ISO/IEC 13818-1 §2.4.3.7, §2.14.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.h264 import H264Reader
from streamctl.media.h264.field import FieldPairs
from streamctl.media.hevc import HevcReader
from streamctl.media.mpeg2video import Mpeg2Reader
from streamctl.media.mpegts.assemble import MAX_PICTURE_BYTES
from streamctl.media.mpegts.units import begins_unit, first_unit, split_units
from streamctl.media.mpegts.unpack import PesUnpacker
from streamctl.media.nal import split_annexb
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.media.mpegts.assemble import Pes
    from streamctl.media.mpegts.unpack import Found, ProgramTime
    from streamctl.media.packet import Track
    from streamctl.media.unit import TrackReader

FIELD_HEAD_BYTES = 4096
"""Enough of a picture to tell a field: its headers, and the start of its first slice."""

BEGINNING_BYTES = 16
"""Enough to tell whether a payload begins with a picture."""

ENDING_BYTES = 5
"""Of a picture, in which a start code may stand whose meaning is told by the next bytes."""

MAX_LOOKS = 16
"""PES packets that may bring what begins a picture, and no picture, until the one before is taken
for whole: it is looked at anew with each of them."""

OPEN_GOP, LEADING, CORRUPT = int(Flag.OPEN_GOP), int(Flag.LEADING), int(Flag.CORRUPT)
"""As plain numbers, since the bits of an enum are slow to test."""

DEFAULT_STEP = TIMESCALE // 25
"""Between pictures of one PES packet whose rate nothing tells."""


@dataclass(slots=True)
class Picture:
    """The bytes of a picture, or of a field."""

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
        super().__init__(track, time, partial(begins_unit, track.codec))
        self.reader = PICTURE_READERS[track.codec]()
        self.fields = FieldPairs() if track.codec is Codec.H264 else None
        self._tail: Picture | None = None
        """The last one, whose rest stands in the next PES packet."""
        self._rest: list[bytes] = []
        """What came behind it since, in PES packets in which nothing begins."""
        self._rest_bytes = 0
        self._looks = 0
        """How often another one was looked for behind it in vain."""
        self._field: Picture | None = None
        """The first field of a frame, whose second one is to come."""
        self._last = (0, 0)
        """Decoding time of the last PES packet, and how many pictures began in it."""
        self._open_point: int | None = None
        """PTS of an open random-access point whose leading pictures may come."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the pictures of a PES packet."""
        stamps = self.time.stamps(pes)
        if stamps is None:
            self.time.fault("a picture without a time")
            return
        first = Picture(b"", *stamps, CORRUPT if pes.torn else 0)
        if pes.continued and self._goes_on(pes.payload):
            assert self._tail is not None
            self._tail.flags |= first.flags
            self._last = (first.dts, 0)
            return
        tail = self._take_tail()
        data = tail.data + pes.payload if tail else self._behind_rest(pes.payload)
        pieces = split_units(self.track.codec, data)
        self._looks = self._looks + 1 if tail and len(pieces) == 1 else 0
        for number, picture in enumerate(self._timed(pieces, tail, first), 1):
            unfinished = pes.continued and number == len(pieces) and self._looks < MAX_LOOKS
            if unfinished and 0 < len(picture.data) < MAX_PICTURE_BYTES:
                self._tail = picture
            else:
                self._give(picture, out)
        self._last = (first.dts, len(pieces) - (tail is not None))

    def _goes_on(self, payload: bytes) -> bool:
        """Take a payload that is nothing but more of the last picture; it is put together later.

        To look at the whole picture with each payload takes seconds for a few thousand of them.
        """
        tail = self._tail
        if tail is None or len(tail.data) + self._rest_bytes + len(payload) >= MAX_PICTURE_BYTES:
            return False
        before = self._rest[-1] if self._rest else tail.data
        if first_unit(self.track.codec, before[-ENDING_BYTES:] + payload) >= 0:
            return False
        self._rest.append(payload)
        self._rest_bytes += len(payload)
        return True

    def _take_tail(self) -> Picture | None:
        """The last picture with what came behind it, if it was not given yet."""
        tail, self._tail = self._tail, None
        if tail is not None and self._rest:
            tail.data = b"".join((tail.data, *self._rest))
            self._rest, self._rest_bytes = [], 0
        return tail

    def _behind_rest(self, payload: bytes) -> bytes:
        """A payload without the rest of a picture whose start is unknown."""
        codec = self.track.codec
        if begins_unit(codec, payload[:BEGINNING_BYTES]):
            return payload
        start = first_unit(codec, payload)
        return payload[start:] if start >= 0 else b""

    def _timed(
        self, pieces: list[bytes], tail: Picture | None, first: Picture
    ) -> Iterator[Picture]:
        """Pictures with their times.

        What began in the PES packet before follows its ``tail``, what begins in this one follows
        the ``first``.
        """
        base, count, position = tail or first, 0, 0
        for piece in pieces:
            if tail is not None and position >= len(tail.data):
                base, count, tail = first, 0, None
            later = count and count * self._distance(first.dts)
            yield Picture(piece, base.pts + later, base.dts + later, base.flags | first.flags)
            count += 1
            position += len(piece)

    def flush(self, out: list[Found]) -> None:
        """Give what was held back, since nothing comes behind it."""
        super().flush(out)
        tail = self._take_tail()
        if tail is not None:
            self._give(tail, out)
        self._release(out)

    def _distance(self, dts: int) -> int:
        """How far pictures are apart: by their rate, else as those since the last PES packet."""
        if self.track.fps:
            return round(TIMESCALE / self.track.fps)
        last, count = self._last
        return (dts - last) // count if count and 0 < dts - last < TIMESCALE else DEFAULT_STEP

    def _give(self, picture: Picture, out: list[Found]) -> None:
        """Give a picture, or hold it if it is the first field of a frame."""
        fields = self.fields
        if fields is not None and fields.second(split_annexb(picture.data[:FIELD_HEAD_BYTES])):
            first, self._field = self._field, None
            if first is not None:
                first.data += picture.data
                first.flags |= picture.flags
                picture = first
        else:
            self._release(out)
        if fields is not None and fields.waiting is not None:
            self._field = picture
        else:
            self._read(picture.data, picture.pts, picture.dts, picture.flags, out)

    def _release(self, out: list[Found]) -> None:
        """Give a field whose second one has not come."""
        held, self._field = self._field, None
        if held is not None:
            self._read(held.data, held.pts, held.dts, held.flags, out)

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
