"""AAC in RTP as MPEG-4 elementary stream (``mpeg4-generic``).

Packets hold several frames or a part of one, behind the headers of all of them. Interleaving is
not supported, as nobody uses it: indexes are passed over. Some cameras leave ADTS headers in front
of the frames. Specification: RFC 3640 §3.2, §3.3.5, §3.3.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.aac import ADTS_HEADER_BYTES, AacConfig, AacReader, split_adts
from streamctl.media.bits import BitReader
from streamctl.media.rtp.depacketise import MAX_FRAME_BYTES, Depacketiser, Unit
from streamctl.media.rtp.packetise import Packetiser
from streamctl.media.rtp.parameters import length

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket

COUNT_BYTES = 2
"""The length of the headers' section in bits, which stands in front of it."""
HBR_HEADER_BYTES = 2
HBR_INDEX_BITS = 3
HBR_MAX_BYTES = 0x1FFF
MAX_FIELD_BITS = 32
"""No field of a header is longer."""
MAX_FRAMES = 256
"""Frames of a packet: more than any datagram has room for, in real frames."""


class Headers:
    """How the headers of a stream are laid out, in bits."""

    def __init__(self, rtp: RtpFormat) -> None:
        fmtp = rtp.fmtp
        self.constant_bytes = length(fmtp, "constantsize")
        self.size = 0 if self.constant_bytes else length(fmtp, "sizelength")
        plain = bool(self.constant_bytes)
        self.index = 0 if plain else length(fmtp, "indexlength")
        self.delta = 0 if plain else length(fmtp, "indexdeltalength")
        self.offsets = [length(fmtp, name) for name in ("ctsdeltalength", "dtsdeltalength")]
        flag = length(fmtp, "randomaccessindication")
        self.others = min(flag, 1) + length(fmtp, "streamstateindication")
        self.auxiliary = length(fmtp, "auxiliarydatasizelength")
        fields = (self.size, self.index, self.delta, *self.offsets, self.others, self.auxiliary)
        if max(fields) > MAX_FIELD_BITS or self.constant_bytes > MAX_FRAME_BYTES:
            raise RemoteProtocolError("the headers of an AAC stream are longer than they may be")
        self.any = any(fields[:-1])
        self.usual = fields == (13, 3, 3, 0, 0, 0, 0)

    def read(self, payload: memoryview) -> tuple[list[int], int]:
        """The sizes of the frames in a payload, and where the first one begins.

        Raises:
            RemoteProtocolError: cut off, or longer than any real ones.
        """
        if not self.any:
            start = self.skip_auxiliary(payload, 0)
            size = self.constant_bytes or len(payload) - start
            return [size] * max(1, min((len(payload) - start) // max(size, 1), MAX_FRAMES)), start
        bits = int.from_bytes(payload[:COUNT_BYTES], "big")
        start = COUNT_BYTES + (bits + 7) // 8
        if start > len(payload) or not bits:
            raise RemoteProtocolError("the headers of AAC frames are cut off")
        if self.usual and bits == 8 * HBR_HEADER_BYTES:
            return [int.from_bytes(payload[COUNT_BYTES:start], "big") >> HBR_INDEX_BITS], start
        reader = BitReader(bytes(payload[COUNT_BYTES:start]))
        end = reader.left - bits
        sizes: list[int] = []
        while reader.left > end and len(sizes) < MAX_FRAMES:
            sizes.append(self.read_one(reader, not sizes))
        if reader.left != end:
            raise RemoteProtocolError("the headers of AAC frames are malformed")
        return sizes, self.skip_auxiliary(payload, start)

    def read_one(self, reader: BitReader, first: bool) -> int:
        """The size of the frame whose header comes next."""
        size = reader.bits(self.size) if self.size else self.constant_bytes
        reader.bits(self.index if first else self.delta)
        for bits in self.offsets:
            if bits and reader.flag():
                reader.bits(bits)
        reader.bits(self.others)
        return size

    def skip_auxiliary(self, payload: memoryview, start: int) -> int:
        """Where the frames begin, behind data that the sender puts there for itself.

        Raises:
            RemoteProtocolError: cut off.
        """
        if not self.auxiliary:
            return start
        reader = BitReader(bytes(payload[start:]))
        reader.bits(reader.bits(self.auxiliary))
        return len(payload) - reader.left // 8


class AacDepacketiser(Depacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, AacReader())
        self.headers = Headers(rtp)
        AacConfig.parse(track.config or b"")
        self._part = bytearray()
        self._size = 0
        """Of the frame of which a part has come; 0 = none."""
        self._raw = -1
        """Timestamp of the last packet, as on the wire."""
        self._torn = -1
        """That of a frame whose further parts are left out."""

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        out: list[Unit] = []
        timestamp = self._clock.unwrap(packet.timestamp)
        if self._size and (lost or packet.timestamp != self._raw):
            self.tear("a part of an AAC frame was lost")
        if not packet.payload:
            return out
        self._raw = packet.timestamp
        try:
            sizes, start = self.headers.read(packet.payload)
        except ProtocolError as error:
            self.tear(str(error))
            return out
        if len(sizes) == 1 and start + sizes[0] > len(packet.payload):
            self.take_part(packet.payload[start:], sizes[0], timestamp, out)
        else:
            self.take_whole(packet.payload, sizes, start, timestamp, out)
        return out

    def tear(self, fault: str) -> None:
        """Leave a frame out, and what was kept of it."""
        self.damage(fault)
        self._torn = self._raw
        self._part = bytearray()
        self._size = 0

    def take_whole(
        self, payload: memoryview, sizes: list[int], at: int, timestamp: int, out: list[Unit]
    ) -> None:
        """Take the frames of a packet."""
        if self._size:
            self.tear("the end of an AAC frame was lost")
        place: int | None = timestamp
        for size in sizes:
            end = at + size
            if end > len(payload) or not size:
                self.tear("an AAC frame is cut off")
                return
            self.frame(bytes(payload[at:end]), place, out)
            place = None
            at = end

    def take_part(self, part: memoryview, size: int, timestamp: int, out: list[Unit]) -> None:
        """Take a part of a frame of that size."""
        if self._raw == self._torn:
            return
        if self._size not in {0, size} or size > MAX_FRAME_BYTES:
            self.tear("the parts of an AAC frame don't fit together")
            return
        self._size = size
        self._part += part
        if len(self._part) > size:
            self.tear("an AAC frame is longer than it says")
        elif len(self._part) == size:
            data = bytes(self._part)
            self._part = bytearray()
            self._size = 0
            self.frame(data, timestamp, out)

    def frame(self, data: bytes, timestamp: int | None, out: list[Unit]) -> None:
        """Give a frame, without the ADTS header that it should not have."""
        # No raw frame begins so: these bits end one.
        if data[0] == 0xFF and len(data) > ADTS_HEADER_BYTES:
            try:
                data = b"".join(one.data for one in split_adts(data))
            except ProtocolError as error:
                self.damage(str(error))
                return
        self.give(data, timestamp, out)


class AacPacketiser(Packetiser):
    """Makes the payloads of one track in high bit rate mode, one frame each."""

    def __init__(self, track: Track, limit: int) -> None:
        super().__init__(limit)
        AacConfig.parse(track.config or b"")

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        total = len(data)
        if total > HBR_MAX_BYTES:
            raise RemoteProtocolError(f"an AAC frame of {total} bytes")
        head = bytes((0, 8 * HBR_HEADER_BYTES)) + (total << HBR_INDEX_BITS).to_bytes(2, "big")
        step = self.limit - len(head)
        return [head + data[at : at + step] for at in range(0, total, step)]
