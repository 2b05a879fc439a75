"""H.264 in RTP: single NAL units, STAP-A and FU-A.

The interleaved mode is refused: no camera, encoder or player uses it. The two fields of a frame
may have timestamps of their own; they are one access unit at that of the first. Parameter sets
are sent in front of each random-access point, each in a packet of its own, as the oldest clients
want them.
Specification: RFC 6184 §5.4, §5.6-5.8, §6.2.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264 import AvcConfig, H264Reader, parse_sps
from streamctl.media.h264.field import FieldPairs
from streamctl.media.h264.unit import SLICE_HEAD_BYTES, SLICES, SPS
from streamctl.media.nal import prefixed_spans
from streamctl.media.packet import Kind
from streamctl.media.rtp.nal import LENGTH_BYTES, NalDepacketiser, Place, pack_fragments
from streamctl.media.rtp.packetise import Packetiser

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket

STAP_A = 24
FU_A = 28
FRAGMENT_HEADERS_BYTES = 2
TYPE_MASK = 0x1F
NRI_MASK = 0xE0
FORBIDDEN = 0x80
FIRST_MB = 0x80
"""``first_mb_in_slice`` 0 is a single 1 bit."""
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
        self._fields = FieldPairs()
        self._config: bytes | None = None
        """The configuration whose SPS the fields are told by."""
        self._field: tuple[bytes, int] | None = None
        """The first field of a frame, whose second one is to come, and its timestamp."""
        self._look(track.config)

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        payload = packet.payload
        middle = not lost and payload and payload[0] & TYPE_MASK == FU_A
        if middle and not payload[0] & FORBIDDEN and self.goes_on(packet, FRAGMENT_HEADERS_BYTES):
            return []
        return super().feed(packet, lost=lost)

    def give(
        self, data: bytes, timestamp: int | None, out: list[Unit], *, shown: bool = True
    ) -> None:
        """Give a picture, or hold it if it is the first field of a frame."""
        if not shown or timestamp is None or not self._interlaced():
            self._release(out)
            super().give(data, timestamp, out, shown=shown)
            return
        second = False
        for nal in telling(data):
            second = self._fields.second((nal,)) or second
        if second and self._field is not None:
            first, timestamp = self._field
            data = first + data
            self._field = None
        else:
            self._release(out)
        if self._fields.waiting is None:
            super().give(data, timestamp, out)
        else:
            self._field = data, timestamp

    def _release(self, out: list[Unit]) -> None:
        """Give a field whose second one has not come."""
        if self._field is not None:
            data, timestamp = self._field
            self._field = None
            super().give(data, timestamp, out)

    def _interlaced(self) -> bool:
        """Whether the picture may be a field."""
        if self.track.config != self._config:
            self._look(self.track.config)
        sps = self._fields.sps
        return sps is None or not sps.frame_mbs_only

    def _look(self, config: bytes | None) -> None:
        """Learn from a configuration whether there are fields."""
        self._config = config
        self._fields = FieldPairs()
        with suppress(ProtocolError):
            self._fields.sps = parse_sps(AvcConfig.parse(config or b"").sps[0])

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
        self.fragment(payload[1], header, payload[FRAGMENT_HEADERS_BYTES:])

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


def telling(data: bytes) -> list[bytes]:
    """What tells fields in an access unit: parameter sets, and heads of pictures' first slices."""
    found = []
    for start, end in prefixed_spans(data):
        kind = data[start] & TYPE_MASK
        if kind == SPS:
            found.append(data[start:end])
        elif kind in SLICES and end - start > 1 and data[start + 1] & FIRST_MB:
            found.append(data[start : min(end, start + SLICE_HEAD_BYTES)])
    return found


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
