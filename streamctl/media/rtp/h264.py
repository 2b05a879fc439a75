"""H.264 in RTP: single NAL units, STAP-A and FU-A.

The interleaved mode is refused: no camera, encoder or player uses it. Parameter sets are sent in
front of each random-access point, each in a packet of its own, as the oldest clients want them.
Specification: RFC 6184 §5.4, §5.6-5.8, §6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.h264 import AvcConfig, H264Reader
from streamctl.media.nal import prefixed_spans
from streamctl.media.packet import Kind
from streamctl.media.rtp.nal import LENGTH_BYTES, NalDepacketiser, Place, pack_fragments
from streamctl.media.rtp.packetise import Packetiser

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat

STAP_A = 24
FU_A = 28
TYPE_MASK = 0x1F
NRI_MASK = 0xE0
FORBIDDEN = 0x80
FIRST_MB = 0x80
"""``first_mb_in_slice`` 0 is a single 1 bit."""
SLICES = frozenset({1, 2, 5})
SMALL = frozenset({6, 7, 8, 9})
"""Units that some cameras put into one packet, with start codes between them."""
HIGHEST_TYPE = 23
"""Of NAL units; what is above are packets of other structures."""
INTERLEAVED = "2"


class H264Depacketiser(NalDepacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        if rtp.fmtp.get("packetization-mode") == INTERLEAVED:
            raise RemoteProtocolError("interleaved H.264 is not supported")
        reader = H264Reader()
        super().__init__(rtp, track, reader)
        reader.length_size = LENGTH_BYTES

    def take(self, payload: memoryview) -> None:
        kind = payload[0] & TYPE_MASK
        if kind == FU_A:
            self.take_fragment(payload)
        elif payload[0] & FORBIDDEN:
            self.tear("a NAL unit has its error bit set")
        elif kind == STAP_A:
            self.aggregate(payload, 1, 1)
        elif kind in SMALL:
            if not self.byte_stream(payload):
                self.add(payload)
        elif 0 < kind <= HIGHEST_TYPE:
            self.add(payload)
        elif kind or not self.byte_stream(payload):
            self.tear(f"H.264 packets of type {kind} are not supported")

    def take_fragment(self, payload: memoryview) -> None:
        """Take a FU-A."""
        kind = payload[1] & TYPE_MASK if len(payload) > 1 else 0
        if payload[0] & FORBIDDEN or not 0 < kind <= HIGHEST_TYPE:
            self.tear("a fragment of a NAL unit is malformed")
            return
        header = bytes((payload[0] & NRI_MASK | kind,))
        self.fragment(payload[1], header, payload[2:])

    def single(self, unit: memoryview) -> None:
        kind = unit[0] & TYPE_MASK
        if unit[0] & FORBIDDEN or not 0 < kind <= HIGHEST_TYPE:
            self.tear("an aggregation packet is malformed")
        else:
            self.add(unit)

    def place(self, unit: memoryview | bytes) -> Place:
        if unit[0] & TYPE_MASK not in SLICES:
            return Place.OTHER
        first = len(unit) > 1 and unit[1] & FIRST_MB
        return Place.FIRST_SLICE if first else Place.SLICE


class H264Packetiser(Packetiser):
    """Makes the payloads of one track."""

    def __init__(self, track: Track, limit: int) -> None:
        super().__init__(limit)
        record = AvcConfig.parse(track.config or b"")
        self.sets = [*record.sps, *record.pps]

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        limit = self.limit
        payloads: list[bytes] = []
        if packet.kind is Kind.KEY:
            for one in self.sets:
                self.unit(memoryview(one), payloads)
        view = memoryview(data)
        for start, end in prefixed_spans(data):
            if end - start <= limit:
                payloads.append(data[start:end])
            else:
                self.unit(view[start:end], payloads)
        return payloads

    def unit(self, unit: memoryview, payloads: list[bytes]) -> None:
        """Add the payloads of a NAL unit."""
        if len(unit) <= self.limit:
            payloads.append(bytes(unit))
            return
        lead = bytes((unit[0] & NRI_MASK | FU_A,))
        payloads += pack_fragments(unit, lead, unit[0] & TYPE_MASK, 1, self.limit)
