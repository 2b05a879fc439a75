"""AV1 in RTP: OBUs of a temporal unit as elements of packets.

Elements go without their own size fields and without temporal delimiters; the aggregation header
says whether the first continues one of the packet before, and whether the last goes on in the
next. A sequence header stands in front of each random-access point.
Specification: RTP Payload Format for AV1 (Alliance for Open Media) §4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.av1 import Av1Config, Av1Reader
from streamctl.media.av1.obu import (
    FORBIDDEN,
    HAS_EXTENSION,
    HAS_SIZE,
    REMOVED,
    Obu,
    leb128,
    payload_span,
    read_leb128,
    sequence_header_obu,
)
from streamctl.media.packet import Kind
from streamctl.media.rtp.depacketise import FrameDepacketiser
from streamctl.media.rtp.packetise import Packetiser

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat

CONTINUES, GOES_ON, NEW_SEQUENCE = 0x80, 0x40, 0x08
"""Bits Z, Y and N of the aggregation header."""
COUNT_SHIFT, COUNT_MASK = 4, 3
"""W: how many elements there are, the last of them without a size; 0 = each has its size."""
TILE_GROUP = 4
"""``obu_type`` of what never begins a picture."""
SIZE_BYTES = 2
"""Of an element that fits into a packet, at most."""


class Av1Depacketiser(FrameDepacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, Av1Reader())
        self._part = bytearray()
        """The start of an OBU that goes on in the next packet."""
        self._going_on = False

    def take(self, payload: memoryview) -> None:
        head = payload[0]
        try:
            elements = split_elements(bytes(payload), head >> COUNT_SHIFT & COUNT_MASK)
        except ProtocolError as error:
            self.tear(str(error))
            return
        if bool(head & CONTINUES) != self._going_on:
            self.tear("a part of an AV1 OBU was lost")
            return
        last = len(elements) - 1
        for number, element in enumerate(elements):
            going_on = number == last and bool(head & GOES_ON)
            self.element(element, going_on=going_on)
            if self._torn:
                return

    def element(self, element: bytes, *, going_on: bool) -> None:
        """Take an OBU, or a part of one."""
        if not self.room(len(self._part) + len(element) + SIZE_BYTES):
            return
        if going_on or self._going_on:
            self._part += element
            self._going_on = going_on
            if going_on:
                return
            element = bytes(self._part)
            self._part = bytearray()
        if element:
            self.obu(element)

    def obu(self, obu: bytes) -> None:
        """Take a whole OBU, which gets a size unless it has one."""
        head = obu[0]
        number = head >> 3 & 15
        start = 2 if head & HAS_EXTENSION else 1
        if head & FORBIDDEN or start > len(obu):
            self.tear("an AV1 OBU is damaged")
            return
        if number == TILE_GROUP and not self._data and self._gap:
            self.tear("the start of a picture was lost")
            return
        if number in REMOVED:
            return
        if head & HAS_SIZE:
            self._data += obu
            return
        self._data.append(head | HAS_SIZE)
        self._data += obu[1:start]
        self._data += leb128(len(obu) - start)
        self._data += obu[start:]

    def whole(self) -> bytes:
        if self._going_on:
            self.tear("the end of an AV1 OBU was lost")
        return bytes(self._data)

    def begin(self) -> None:
        super().begin()
        self._part = bytearray()
        self._going_on = False

    def tear(self, fault: str) -> None:
        super().tear(fault)
        self._part = bytearray()
        self._going_on = False


def split_elements(payload: bytes, count: int) -> list[bytes]:
    """The elements behind the aggregation header.

    Raises:
        RemoteProtocolError: one is longer than the payload, or its size is cut off.
    """
    elements: list[bytes] = []
    at = 1
    total = len(payload)
    while at < total:
        if len(elements) + 1 == count:
            elements.append(payload[at:])
            break
        size, at = read_leb128(payload, at)
        elements.append(payload[at : at + size])
        at += size
        if at > total:
            raise RemoteProtocolError("an element of an AV1 packet is cut off")
    return elements


class Av1Packetiser(Packetiser):
    """Makes the payloads of one track."""

    def __init__(self, track: Track, limit: int) -> None:
        super().__init__(limit)
        sequence = Av1Config.parse(track.config or b"").sequence
        self.sequence = bare(sequence_header_obu(sequence), 0)[0] if sequence else b""

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        obus = []
        position = 0
        while position < len(data):
            obu, position = bare(data, position)
            obus.append(obu)
        key = packet.kind is Kind.KEY
        if key and self.sequence and not any(is_sequence_header(obu) for obu in obus):
            obus.insert(0, self.sequence)
        payloads = pack_elements(obus, self.limit)
        if key and payloads:
            payloads[0] = bytes((payloads[0][0] | NEW_SEQUENCE,)) + payloads[0][1:]
        return payloads


def is_sequence_header(obu: bytes) -> bool:
    """Whether an OBU is a sequence header."""
    return obu[0] >> 3 & 15 == Obu.SEQUENCE_HEADER


def bare(data: bytes, position: int) -> tuple[bytes, int]:
    """The OBU at a position without its size, and where it ends.

    Raises:
        RemoteProtocolError: damaged, or longer than the data.
    """
    head = data[position]
    start, end = payload_span(data, position)
    extension = data[position + 1 : position + 2] if head & HAS_EXTENSION else b""
    return bytes((head & ~HAS_SIZE,)) + extension + data[start:end], end


def pack_elements(obus: list[bytes], limit: int) -> list[bytes]:
    """The payloads of a temporal unit."""
    payloads = []
    elements: list[bytes] = []
    continues = False
    room = limit - 1
    for obu in obus:
        at = 0
        while at < len(obu):
            if room <= SIZE_BYTES:
                payloads.append(join_elements(elements, continues=continues, goes_on=at > 0))
                elements = []
                continues = at > 0
                room = limit - 1
            part = obu[at : at + room - SIZE_BYTES]
            elements.append(part)
            at += len(part)
            room -= len(part) + SIZE_BYTES
    if elements:
        payloads.append(join_elements(elements, continues=continues, goes_on=False))
    return payloads


def join_elements(elements: list[bytes], *, continues: bool, goes_on: bool) -> bytes:
    """A payload of these elements."""
    count = len(elements) if len(elements) <= COUNT_MASK else 0
    head = (CONTINUES if continues else 0) | (GOES_ON if goes_on else 0) | count << COUNT_SHIFT
    parts = [bytes((head,))]
    for number, element in enumerate(elements, 1):
        if number != count:
            parts.append(leb128(len(element)))
        parts.append(element)
    return b"".join(parts)
