"""VP8 in RTP: frames in parts, behind a descriptor.

Specification: RFC 7741 §4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.rtp.depacketise import FrameDepacketiser
from streamctl.media.rtp.packetise import Packetiser, pack_parts
from streamctl.media.vp8 import Vp8Reader

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat

EXTENDED, START, PARTITION = 0x80, 0x10, 0x0F
"""Bits X, S and PID of the descriptor's first byte."""
PICTURE_ID, LAYER_INDEX, LAYER, KEY_INDEX = 0x80, 0x40, 0x20, 0x10
"""Bits I, L, T and K of its second byte."""
LONG_PICTURE_ID = 0x80


class Vp8Depacketiser(FrameDepacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, Vp8Reader())

    def take(self, payload: memoryview) -> None:
        start = descriptor_bytes(payload)
        if start >= len(payload):
            self.tear("a VP8 packet has no frame in it")
            return
        begins = payload[0] & (START | PARTITION) == START
        if begins != (not self._data):
            self.tear("the start of a picture was lost")
        elif self.room(len(payload) - start):
            self._data += payload[start:]


def descriptor_bytes(payload: memoryview) -> int:
    """The length of the descriptor, which may be more than there are bytes."""
    if not payload[0] & EXTENDED:
        return 1
    if len(payload) < 3:
        return 3
    extension = payload[1]
    size = 2
    if extension & PICTURE_ID:
        size += 2 if payload[2] & LONG_PICTURE_ID else 1
    if extension & LAYER_INDEX:
        size += 1
    if extension & (LAYER | KEY_INDEX):
        size += 1
    return size


class Vp8Packetiser(Packetiser):
    """Makes the payloads of one track."""

    def __init__(self, track: Track, limit: int) -> None:
        del track
        super().__init__(limit)

    def pack(self, packet: Packet) -> list[bytes]:
        return pack_parts(packet.data, self.limit, bytes((START,)), b"\0", b"\0")
