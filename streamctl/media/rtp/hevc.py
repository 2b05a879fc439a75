"""HEVC in RTP: single NAL units, aggregation packets and fragmentation units.

Streams whose units are out of order are refused: no camera, encoder or player uses that.
Parameter sets are sent in front of each random-access point, each in a packet of its own.
Specification: RFC 7798 §4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.hevc import HevcConfig, HevcReader
from streamctl.media.nal import prefixed_spans
from streamctl.media.packet import Kind
from streamctl.media.rtp.nal import LENGTH_BYTES, NalDepacketiser, Place, pack_fragments
from streamctl.media.rtp.packetise import Packetiser

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket

AGGREGATE = 48
FRAGMENT = 49
HEADER_BYTES = 2
FRAGMENT_HEADERS_BYTES = 3
LAYER_BIT = 0x01
"""Of the first byte: the highest bit of the layer."""
TYPE_MASK = 0x3F
FORBIDDEN = 0x80
TYPE_BITS = 0x7E
"""Of the first byte of a NAL unit header."""
TEMPORAL_ID = 0x07
"""Of the second byte; never zero."""
FIRST_SLICE = 0x80
"""``first_slice_segment_in_pic_flag``."""
SLICES = 32
"""Types below are slice segments."""
SMALL = frozenset({*range(32, 36), 39, 40})
"""Units that some cameras put into one packet, with start codes between them."""


class HevcDepacketiser(NalDepacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        if rtp.fmtp.get("sprop-max-don-diff", "0") != "0":
            raise RemoteProtocolError("HEVC whose units are out of order is not supported")
        reader = HevcReader()
        super().__init__(rtp, track, reader)
        reader.length_size = LENGTH_BYTES

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        payload = packet.payload
        middle = not lost and payload and payload[0] & ~LAYER_BIT == FRAGMENT << 1
        if middle and self.goes_on(packet, FRAGMENT_HEADERS_BYTES):
            return []
        return super().feed(packet, lost=lost)

    def take(self, payload: memoryview) -> None:
        if not self.sound(payload):
            if not self.byte_stream(payload):
                self.tear("an HEVC packet has no valid header")
            return
        kind = payload[0] >> 1 & TYPE_MASK
        if kind == FRAGMENT:
            self.take_fragment(payload)
        elif kind == AGGREGATE:
            self.aggregate(payload, HEADER_BYTES, HEADER_BYTES)
        elif kind > FRAGMENT:
            self.tear(f"HEVC packets of type {kind} are not supported")
        elif kind not in SMALL or not self.byte_stream(payload):
            self.add(payload)

    def take_fragment(self, payload: memoryview) -> None:
        """Take a fragmentation unit."""
        kind = payload[2] & TYPE_MASK if len(payload) > HEADER_BYTES else AGGREGATE
        if kind >= AGGREGATE:
            self.tear("a fragment of a NAL unit is malformed")
            return
        header = bytes((payload[0] & ~TYPE_BITS | kind << 1, payload[1]))
        self.fragment(payload[2], header, payload[FRAGMENT_HEADERS_BYTES:])

    def single(self, unit: memoryview) -> None:
        if self.sound(unit) and unit[0] >> 1 & TYPE_MASK < AGGREGATE:
            self.add(unit)
        else:
            self.tear("an aggregation packet is malformed")

    def sound(self, unit: memoryview) -> bool:
        """Whether a valid header stands in front."""
        return len(unit) >= HEADER_BYTES and not unit[0] & FORBIDDEN and unit[1] & TEMPORAL_ID != 0

    def place(self, unit: memoryview | bytes) -> Place:
        if unit[0] >> 1 & TYPE_MASK >= SLICES:
            return Place.OTHER
        first = len(unit) > HEADER_BYTES and unit[HEADER_BYTES] & FIRST_SLICE
        return Place.FIRST_SLICE if first else Place.SLICE


class HevcPacketiser(Packetiser):
    """Makes the payloads of one track."""

    def __init__(self, track: Track, limit: int) -> None:
        super().__init__(limit)
        record = HevcConfig.parse(track.config or b"")
        self.sets = [*record.vps, *record.sps, *record.pps, *record.sei]

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        payloads: list[bytes] = []
        if packet.kind is Kind.KEY:
            for one in self.sets:
                self.unit(memoryview(one), payloads)
        view = memoryview(data)
        for start, end in prefixed_spans(data):
            if end - start <= self.limit:
                payloads.append(data[start:end])
            else:
                self.unit(view[start:end], payloads)
        return payloads

    def unit(self, unit: memoryview, payloads: list[bytes]) -> None:
        """Add the payloads of a NAL unit."""
        if len(unit) <= self.limit:
            payloads.append(bytes(unit))
            return
        lead = bytes((unit[0] & ~TYPE_BITS | FRAGMENT << 1, unit[1]))
        kind = unit[0] >> 1 & TYPE_MASK
        payloads += pack_fragments(unit, lead, kind, HEADER_BYTES, self.limit)
