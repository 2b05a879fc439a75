"""NAL units in RTP packets: alone, several in one packet, one in several packets.

H.264 and HEVC differ in the header of their units only, which subclasses know. The units of one
timestamp are an access unit, which ends with the marker or where the next one begins: cameras
forget markers, set them behind parameter sets, or behind each slice.
Specifications: RFC 6184 §5, RFC 7798 §4.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.nal import MAX_UNITS, SHORT_START_CODE, split_annexb
from streamctl.media.rtp.depacketise import FrameDepacketiser

if TYPE_CHECKING:
    from streamctl.media.packet import Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket
    from streamctl.media.unit import TrackReader

LENGTH_BYTES = 4
"""In front of each unit in ``Packet.data``."""
AGGREGATE_LENGTH_BYTES = 2
"""In front of each unit of an aggregation packet."""
START, END = 0x80, 0x40
"""Bits of the header of a fragment."""


class Place(enum.Enum):
    """What a NAL unit is to the borders of access units."""

    FIRST_SLICE = enum.auto()
    SLICE = enum.auto()
    """One that isn't the first of its picture."""
    OTHER = enum.auto()


class NalDepacketiser(FrameDepacketiser):
    """Collects the NAL units of an access unit behind their lengths."""

    _fragment = -1
    """Where the length of the open fragmented unit stands; -1 = none is open."""
    _markers_lie = False
    """Slices of the same picture came behind a marker: only timestamps tell."""

    def __init__(self, rtp: RtpFormat, track: Track, reader: TrackReader) -> None:
        super().__init__(rtp, track, reader)
        self._picture = False
        self._units = 0
        """Of the open access unit."""

    def tear(self, fault: str) -> None:
        super().tear(fault)
        self._fragment = -1

    def goes_on(self, packet: RtpPacket, skip: int) -> bool:
        """Take a packet if it can only be the middle of the open unit, as most are.

        The last of the ``skip`` bytes of headers is that of the fragment.
        """
        payload = packet.payload
        size = len(payload) - skip
        if (
            self._fragment < 0
            or size <= 0
            or packet.timestamp != self._raw
            or packet.marker
            or payload[skip - 1] & (START | END)
            or len(self._data) + size > self.most
        ):
            return False
        self._data += payload[skip:]
        return True

    def complete(self) -> bool:
        # A marker behind parameter sets alone is a mistake: their picture follows.
        return (self._picture or self._torn) and not self._markers_lie

    def finish(self, out: list[Unit]) -> None:
        if self._fragment >= 0:
            self.tear("a fragmented NAL unit has no end")
        super().finish(out)

    def begin(self) -> None:
        super().begin()
        self._fragment = -1
        self._picture = False
        self._units = 0

    @abstractmethod
    def place(self, unit: memoryview | bytes) -> Place:
        """What a unit of at least a header is, by its first bytes."""

    def add(self, unit: memoryview) -> None:
        """Take a whole unit."""
        if self._fragment >= 0:
            self.tear("a fragmented NAL unit has no end")
        elif self.fits(unit) and self.few() and self.room(LENGTH_BYTES + len(unit)):
            self._data += len(unit).to_bytes(LENGTH_BYTES, "big")
            self._data += unit

    def few(self) -> bool:
        """Whether the access unit may have another unit; else it is torn."""
        self._units += 1
        if self._units > MAX_UNITS:
            self.tear(f"an access unit of more than {MAX_UNITS} NAL units")
        return not self._torn

    def fits(self, unit: memoryview | bytes) -> bool:
        """Whether a unit, or the start of one, belongs here; else the access unit is torn."""
        place = self.place(unit)
        if place is Place.OTHER:
            return True
        if place is Place.SLICE and not self._picture:
            if self._ended:
                self._markers_lie = True
                self.tear("a marker stands in the middle of a picture")
            elif self._gap:
                self.tear("the start of a picture was lost")
            if self._torn:
                return False
        self._picture = True
        return True

    def aggregate(self, payload: memoryview, skip: int, least: int) -> None:
        """Take the units behind the header of an aggregation packet, each of ``least`` bytes."""
        at = skip
        total = len(payload)
        while at < total and not self._torn:
            start = at + AGGREGATE_LENGTH_BYTES
            size = int.from_bytes(payload[at:start], "big")
            at = start + size
            if start > total or at > total or size < least:
                self.tear("an aggregation packet is malformed")
                return
            self.single(payload[start:at])

    @abstractmethod
    def single(self, unit: memoryview) -> None:
        """Take a whole unit, unless it is of a kind that can't stand in a stream."""

    def fragment(self, flags: int, header: bytes, part: memoryview) -> None:
        """Take a fragment of a unit with that header."""
        if flags & START:
            if self._fragment >= 0:
                self.tear("a fragmented NAL unit has no end")
                return
            if not (self.fits(header + part[:1]) and self.few()):
                return
            if not self.room(LENGTH_BYTES + len(header)):
                return
            self._fragment = len(self._data)
            self._data += bytes(LENGTH_BYTES)
            self._data += header
        elif self._fragment < 0:
            self.tear("the start of a fragmented NAL unit was lost")
            return
        if not self.room(len(part)):
            return
        self._data += part
        if flags & END:
            start = self._fragment + LENGTH_BYTES
            size = len(self._data) - start
            self._data[self._fragment : start] = size.to_bytes(LENGTH_BYTES, "big")
            self._fragment = -1

    def byte_stream(self, payload: memoryview) -> bool:
        """Take units behind start codes, which no payload should hold; False if there are none."""
        data = bytes(payload)
        if SHORT_START_CODE not in data:
            return False
        try:
            units = split_annexb(b"\0\0\1" + data if data[0] else data)
        except ProtocolError as error:
            self.tear(str(error))
            return True
        for unit in units:
            self.single(memoryview(unit))
        return True


def pack_fragments(unit: memoryview, lead: bytes, kind: int, skip: int, limit: int) -> list[bytes]:
    """The payloads of a unit that is too long for one; ``skip`` is the length of its header."""
    step = limit - len(lead) - 1
    total = len(unit)
    payloads = []
    flags = START
    for at in range(skip, total, step):
        end = at + step
        if end >= total:
            flags |= END
        payloads.append(b"".join((lead, bytes((flags | kind,)), unit[at:end])))
        flags = 0
    return payloads
