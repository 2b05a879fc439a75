"""From datagrams to MPEG-TS bytes: RTP headers are found and taken off, never assumed.

A transport packet begins with 0x47, an RTP packet with 0x80 to 0xBF. Senders that cut their stream
without regard to packets make datagrams that begin with anything, so RTP is believed only if its
payload is whole transport packets, and, after plain datagrams, if two follow each other. From then
on nothing else is taken for media, beside datagrams that begin with a transport packet.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from streamctl_udp.wire.rtp import (
    HEADER,
    HEADER_BYTES,
    SEQUENCE_MASK,
    VERSION,
    VERSION_MASK,
    Sequence,
    payload,
)

if TYPE_CHECKING:
    from collections.abc import Sequence as Many

SYNC = 0x47
PACKET_BYTES = 188
identity = Struct("!2xH4xI").unpack_from
"""Number and source of an RTP packet."""


class Unwrapper:
    """The payload of one sender's datagrams, and what was wrong with them."""

    def __init__(self, *, rtp: bool = True) -> None:
        """With ``rtp`` off, datagrams are taken as they are."""
        self.rtp = rtp
        self.plain = 0
        """Datagrams that were taken as they are."""
        self.wrapped = 0
        """RTP packets whose payload was taken."""
        self.invalid = 0
        """RTP packets without MPEG-TS, and what else comes between RTP packets."""
        self.sequence = Sequence()
        self._likely: tuple[int, int] | None = None
        """Source and number that would prove, if they came next, that RTP has begun."""

    def unpack(self, slots: Many[memoryview], sizes: Many[int]) -> bytes:
        """The media in datagrams that lie at the beginning of slots."""
        parts: list[memoryview] = []
        for slot, size in zip(slots, sizes, strict=False):
            first = slot[0] if size else SYNC
            if first == SYNC or not self.rtp:
                self.plain += 1
                parts.append(slot[:size])
            elif first & VERSION_MASK == VERSION:
                if self._goes_on(slot, size):
                    parts.append(slot[HEADER_BYTES:size])
                else:
                    self._unwrap(slot, size, parts)
            elif self.wrapped:
                self.invalid += 1
            else:
                self.plain += 1
                parts.append(slot[:size])
        return b"".join(parts)

    def _goes_on(self, slot: memoryview, size: int) -> bool:
        """Whether this is what nearly all are: the next packet of RTP, with nothing unusual."""
        if slot[0] != VERSION or slot[HEADER_BYTES] != SYNC:
            return False
        if size % PACKET_BYTES != HEADER_BYTES or size == HEADER_BYTES:
            return False
        number, source = identity(slot)
        sequence = self.sequence
        if number != sequence.expected or source != sequence.source:
            return False
        sequence.expected = (number + 1) & SEQUENCE_MASK
        self.wrapped += 1
        return True

    def _unwrap(self, slot: memoryview, size: int, parts: list[memoryview]) -> None:
        """Take the payload of what looks like RTP."""
        begin, end = payload(slot, size)
        whole = begin < end and slot[begin] == SYNC and (end - begin) % PACKET_BYTES == 0
        _, _, number, _, source = HEADER.unpack_from(slot) if whole else (0, 0, 0, 0, 0)
        if whole and (self.wrapped or not self.plain or self._likely == (source, number)):
            self.wrapped += 1
            if self.sequence.follows(number, source):
                parts.append(slot[begin:end])
        elif self.wrapped or not self.plain:
            self.invalid += 1
        else:
            self._likely = (source, (number + 1) & SEQUENCE_MASK) if whole else None
            self.plain += 1
            parts.append(slot[:size])
