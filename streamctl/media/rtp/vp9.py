"""VP9 in RTP: frames in parts, behind a descriptor.

Of a picture in several spatial layers the layers become one superframe.
Specification: RFC 9628 §4.2; VP9 Bitstream & Decoding Process annex B (superframes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.packet import Kind
from streamctl.media.rtp.depacketise import FrameDepacketiser
from streamctl.media.rtp.packetise import Packetiser, pack_parts
from streamctl.media.vp9 import Vp9Reader

if TYPE_CHECKING:
    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat

PICTURE_ID, INTER, LAYERS, FLEXIBLE = 0x80, 0x40, 0x20, 0x10
BEGIN, END, STRUCTURE = 0x08, 0x04, 0x02
"""Bits I, P, L, F, B, E and V of the descriptor's first byte."""
LONG_PICTURE_ID = 0x80
MORE_REFERENCES = 0x01
MAX_REFERENCES = 3
SIZES, GROUP = 0x10, 0x08
"""Bits Y and G of the scalability structure."""
LAYER_SIZE_BYTES = 4
MAX_LAYERS = 8
SUPERFRAME = 0xC0 | 3 << 3
"""Marker of a superframe's index whose sizes have four bytes."""
SIZE_BYTES = 4


class Vp9Depacketiser(FrameDepacketiser):
    """Takes the packets of one track."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, Vp9Reader())
        self._inside = False
        """A layer's frame has begun and not ended."""
        self._starts: list[int] = []
        """Where the frames of the layers begin."""

    def take(self, payload: memoryview) -> None:
        try:
            start = descriptor_bytes(payload)
        except ProtocolError as error:
            self.tear(str(error))
            return
        head = payload[0]
        if bool(head & BEGIN) == self._inside:
            self.tear("a part of a picture was lost")
        elif head & BEGIN and len(self._starts) == MAX_LAYERS:
            self.tear(f"a picture of more than {MAX_LAYERS} layers")
        elif self.room(len(payload) - start):
            if head & BEGIN:
                self._starts.append(len(self._data))
            self._data += payload[start:]
            self._inside = not head & END

    def whole(self) -> bytes:
        if self._inside:
            self.tear("the end of a picture was lost")
            return b""
        if len(self._starts) > 1:
            ends = [*self._starts[1:], len(self._data)]
            sizes = [end - start for start, end in zip(self._starts, ends, strict=True)]
            marker = bytes((SUPERFRAME | len(sizes) - 1,))
            index = b"".join(size.to_bytes(SIZE_BYTES, "little") for size in sizes)
            self._data += marker + index + marker
        return bytes(self._data)

    def begin(self) -> None:
        super().begin()
        self._inside = False
        self._starts = []


def descriptor_bytes(payload: memoryview) -> int:
    """The length of the descriptor.

    Raises:
        RemoteProtocolError: nothing stands behind it.
    """
    head = payload[0]
    try:
        at = 1
        if head & PICTURE_ID:
            at += 2 if payload[at] & LONG_PICTURE_ID else 1
        if head & LAYERS:
            at += 1 if head & FLEXIBLE else 2
        if head & FLEXIBLE and head & INTER:
            at += references(payload, at)
        if head & STRUCTURE:
            at += structure_bytes(payload, at)
    except IndexError:
        at = len(payload)
    if at >= len(payload):
        raise RemoteProtocolError("a VP9 packet has no frame in it")
    return at


def references(payload: memoryview, at: int) -> int:
    """The number of differences to the pictures that this one refers to."""
    count = 1
    while count < MAX_REFERENCES and payload[at + count - 1] & MORE_REFERENCES:
        count += 1
    return count


def structure_bytes(payload: memoryview, at: int) -> int:
    """The length of the scalability structure."""
    head = payload[at]
    size = 1
    if head & SIZES:
        size += ((head >> 5) + 1) * LAYER_SIZE_BYTES
    if head & GROUP:
        count = payload[at + size]
        size += 1
        for _ in range(count):
            size += 1 + (payload[at + size] >> 2 & 3)
    return size


class Vp9Packetiser(Packetiser):
    """Makes the payloads of one track."""

    def __init__(self, track: Track, limit: int) -> None:
        del track
        super().__init__(limit)

    def pack(self, packet: Packet) -> list[bytes]:
        head = 0 if packet.kind is Kind.KEY else INTER
        leads = (head | BEGIN, head, head | END)
        if len(packet.data) < self.limit:
            return [bytes((head | BEGIN | END,)) + packet.data]
        return pack_parts(packet.data, self.limit, *(bytes((lead,)) for lead in leads))
