"""Sound whose frames tell their own length (MP3, MP2, AC-3, E-AC-3), and sound without any frames.

Packets hold several frames, or a part of one, behind a header that says which part. Frames are
found by their own headers, so a wrong one there does no harm; a packet that continues a frame
whose start was lost is left out. Specifications: RFC 2250 §3.5, RFC 4184 §4.1, RFC 4598 §4.1,
RFC 7587 §4, RFC 3551 §4.5.14.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.ac3 import SYNC, Ac3Reader
from streamctl.media.eac3 import Eac3Reader
from streamctl.media.g711 import G711Reader
from streamctl.media.mpegaudio import MpegAudioReader
from streamctl.media.mpegts.frames import FRAMINGS, Framer, sound_codec
from streamctl.media.opus import OpusReader
from streamctl.media.packet import Codec
from streamctl.media.rtp.depacketise import Depacketiser
from streamctl.media.rtp.packetise import Packetiser

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket
    from streamctl.media.unit import TrackReader

MPA_HEADER_BYTES = 4
AC3_HEADER_BYTES = 2
AC3_KIND = 0x03
AC3_MOST, AC3_START, AC3_NEXT = 1, 2, 3
"""Kinds of fragments: five eighths of a frame or more, less of its start, what follows."""
EAC3_FRAGMENT = 0x01
MAX_FRAGMENTS = 255
MAX_WHOLE_BYTES = 0xFFFF - 64
"""What a datagram and an interleaved frame have room for, with their headers."""
FIVE_EIGHTHS = (5, 8)
"""Of an AC-3 frame, with which decoders can do something: its first fragment should be as long."""


class FramedDepacketiser(Depacketiser):
    """Takes the packets of one track whose frames have headers."""

    header_bytes: ClassVar[int]
    """In front of what a packet carries."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, READERS[track.codec]())
        self._framer = Framer(FRAMINGS[track.codec])
        self._raw = -1
        """Timestamp of the last packet, as on the wire."""
        self._torn = -1
        """The last one of which something was damaged."""
        self._known = False
        """The codec is that of the frames, whatever the session says."""

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        out: list[Unit] = []
        timestamp = self._clock.unwrap(packet.timestamp)
        payload = bytes(packet.payload)
        if not payload:
            return out
        continues = self.continues(payload, self._framer.waits and not lost)
        if self._framer.waits and (lost or not continues):
            self._framer.reset()
            self.tear(self._raw, "the end of a frame of sound was lost")
        self._raw = packet.timestamp
        if len(payload) <= self.header_bytes or (continues and not self._framer.waits):
            self.tear(self._raw, "the start of a frame of sound was lost")
            return out
        data = payload[self.header_bytes :]
        if not self._known:
            self.identify(data)
        skipped = self._framer.skipped_bytes
        for frame in self._framer.cut(data, timestamp):
            self._known = True
            self.give(frame.data, frame.time, out)
        if self._framer.skipped_bytes > skipped:
            self.tear(self._raw, "bytes between frames of sound belong to none")
        return out

    def tear(self, raw: int, fault: str) -> None:
        """Count a damaged frame, once for each timestamp."""
        if raw != self._torn:
            self._torn = raw
            self.damage(fault)

    def identify(self, data: bytes) -> None:
        """Take the codec from the frames: one encoding stands for several, or for the wrong one."""
        codec = sound_codec(self.track.codec, data)
        if codec is not self.track.codec and codec in READERS:
            self.track = replace(self.track, codec=codec)
            self._framer = Framer(FRAMINGS[codec])
            self._reader = READERS[codec]()

    @abstractmethod
    def continues(self, payload: bytes, waits: bool) -> bool:
        """Whether a packet goes on with a frame, for whose end the track ``waits`` or not."""


class MpegAudioDepacketiser(FramedDepacketiser):
    """MP3 and MP2, whose header is the place within the frame."""

    header_bytes = MPA_HEADER_BYTES

    def continues(self, payload: bytes, waits: bool) -> bool:
        return any(payload[2:MPA_HEADER_BYTES])


class Ac3Depacketiser(FramedDepacketiser):
    """AC-3, whose header tells what kind of fragment the packet has."""

    header_bytes = AC3_HEADER_BYTES

    def continues(self, payload: bytes, waits: bool) -> bool:
        return payload[0] & AC3_KIND == AC3_NEXT


class Eac3Depacketiser(FramedDepacketiser):
    """E-AC-3, whose header tells that the packet has a fragment, but not which."""

    header_bytes = AC3_HEADER_BYTES

    def continues(self, payload: bytes, waits: bool) -> bool:
        if not payload[0] & EAC3_FRAGMENT:
            return False
        return waits or payload[AC3_HEADER_BYTES:][: len(SYNC)] != SYNC


class WholeDepacketiser(Depacketiser):
    """Opus and G.711: a packet is an access unit."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        reader: TrackReader = OpusReader()
        if track.codec is not Codec.OPUS:
            name, title = G711_NAMES[track.codec]
            reader = G711Reader(name, title, rtp.clock_rate, rtp.channels)
        super().__init__(rtp, track, reader)

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        out: list[Unit] = []
        timestamp = self._clock.unwrap(packet.timestamp)
        if packet.payload:
            self.give(bytes(packet.payload), timestamp, out)
        return out


class MpegAudioPacketiser(Packetiser):
    """One frame at a time."""

    marks = False

    def __init__(self, track: Track, limit: int) -> None:
        del track
        super().__init__(limit)

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        step = self.limit - MPA_HEADER_BYTES
        starts = range(0, len(data), step)
        return [at.to_bytes(MPA_HEADER_BYTES, "big") + data[at : at + step] for at in starts]


class Ac3Packetiser(Packetiser):
    """One frame at a time, AC-3 or E-AC-3."""

    def __init__(self, track: Track, limit: int) -> None:
        super().__init__(limit)
        self.enhanced = track.codec is Codec.EAC3

    def pack(self, packet: Packet) -> list[bytes]:
        data = packet.data
        step = self.limit - AC3_HEADER_BYTES
        count = -(-len(data) // step)
        if count > MAX_FRAGMENTS:
            raise RemoteProtocolError(f"a frame of sound has {len(data)} bytes")
        if count <= 1:
            return [b"\0\1" + data]
        if self.enhanced:
            first = following = EAC3_FRAGMENT
        else:
            much = step * FIVE_EIGHTHS[1] >= len(data) * FIVE_EIGHTHS[0]
            first, following = AC3_MOST if much else AC3_START, AC3_NEXT
        return [
            bytes((following if at else first, count)) + data[at : at + step]
            for at in range(0, len(data), step)
        ]


class WholePacketiser(Packetiser):
    """Opus and G.711: a packet is an access unit, however long it is; there is no other way."""

    marks = False

    def __init__(self, track: Track, limit: int) -> None:
        del track
        super().__init__(limit)

    def pack(self, packet: Packet) -> list[bytes]:
        if len(packet.data) > MAX_WHOLE_BYTES:
            raise RemoteProtocolError(f"a packet of sound has {len(packet.data)} bytes")
        return [packet.data] if packet.data else []


READERS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.MP3: MpegAudioReader,
    Codec.MP2: MpegAudioReader,
    Codec.AC3: Ac3Reader,
    Codec.EAC3: Eac3Reader,
}

G711_NAMES = {
    Codec.G711A: ("alaw", "G.711 A-law"),
    Codec.G711U: ("ulaw", "G.711 µ-law"),
}
"""Name and title; there is no name of RFC 6381."""
