"""Finds packets in bytes of any alignment.

A packet is 188 bytes that begin with a sync byte (ISO/IEC 13818-1 §2.4.3.2); some carriers put
a time of arrival in front of it (192 bytes, Blu-ray) or parity behind it (204 bytes, DVB). The
size is found out, never assumed, and so is the place of the first packet. What packets mean is
left to others.
"""

from __future__ import annotations

import re

from streamctl.media.mpegts.packet import PACKET_BYTES

SYNC = b"\x47"

STRIDES = (188, 192, 204)
"""Distances of sync bytes."""
LEADS = {188: 0, 192: 4, 204: 0}
"""Bytes in front of the packet, by distance."""

SYNC_RUN = 5
"""Sync bytes at one distance that tell packets from payload: by accident it happens once in
10^12 places, and a datagram of seven packets is enough."""
MAX_SEARCH_BYTES = (SYNC_RUN - 1) * STRIDES[-1] + 1
"""A run that begins earlier would have been seen whole."""

RUNS = re.compile(
    b"\x47(?:%b)"
    % b"|".join(b"(?=(?:.{%d}\x47){%d})()" % (stride - 1, SYNC_RUN - 1) for stride in STRIDES),
    re.DOTALL,
)
"""A sync byte with such a run behind it; the group that matched tells the distance."""


class Aligner:
    """Cuts a stream of bytes into packets; holds back no more than what is not whole yet."""

    __slots__ = ("_carry", "resyncs", "skipped_bytes", "stride")

    def __init__(self) -> None:
        self.stride = 0
        """Distance of packets; 0 = not found yet, or lost."""
        self.resyncs = 0
        """How often the packets were lost and had to be searched for."""
        self.skipped_bytes = 0
        """Bytes that belonged to no packet, or to one without its sync byte."""
        self._carry = b""

    @property
    def rest(self) -> bytes:
        """What is held back: the beginning of a packet, or what may be some."""
        return self._carry

    def feed(self, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """The packets of 188 bytes that are whole by now, the object itself if it is just that."""
        if self.stride == PACKET_BYTES and not self._carry and not len(data) % PACKET_BYTES:
            heads = bytes(data[::PACKET_BYTES])
            if heads.count(SYNC) == len(heads):
                return data
        buffer = self._carry + data if self._carry else bytes(data)
        out: list[bytes] = []
        end = self._cut(buffer, out)
        self._carry = buffer[end:]
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """The packets of a stream that has ended before there were enough to be sure."""
        buffer, self._carry = self._carry, b""
        for stride in (self.stride,) if self.stride else STRIDES:
            start = buffer.find(SYNC) - LEADS[stride]
            count = whole(buffer, start, stride)
            if start >= 0 and count > 0 and intact(buffer, start, stride, count) == count:
                self.stride = stride
                return take(buffer, start, stride, count)
        self.skipped_bytes += len(buffer)
        return b""

    def _cut(self, buffer: bytes, out: list[bytes]) -> int:
        """Append the packets; where they end."""
        position = 0
        while True:
            if not self.stride:
                position = self._search(buffer, position)
            stride = self.stride
            count = whole(buffer, position, stride) if stride else 0
            if count <= 0:
                return position
            good = intact(buffer, position, stride, count)
            if good:
                out.append(take(buffer, position, stride, good))
                position += good * stride
            following = position + stride + LEADS[stride]
            if good == count or following >= len(buffer):
                return position
            if buffer[following] == SYNC[0]:
                # One damaged byte, not a stream that moved: the packet alone is lost.
                self.skipped_bytes += stride
                position += stride
            else:
                self.stride = 0
                self.resyncs += 1

    def _search(self, buffer: bytes, position: int) -> int:
        """Find packets; where they begin, or where to search on with more bytes."""
        found = RUNS.search(buffer, position)
        if found is None:
            start = max(position, len(buffer) - MAX_SEARCH_BYTES)
        else:
            self.stride = STRIDES[(found.lastindex or 1) - 1]
            start = found.start() - LEADS[self.stride]
            if start < position:
                start += self.stride
        self.skipped_bytes += start - position
        return start


def whole(buffer: bytes, position: int, stride: int) -> int:
    """How many packets from ``position`` on are there to the last byte around them."""
    return (len(buffer) - position) // stride


def intact(buffer: bytes, position: int, stride: int, count: int) -> int:
    """How many of them have their sync byte, up to the first that has not."""
    start = position + LEADS[stride]
    heads = buffer[start : start + (count - 1) * stride + 1 : stride]
    return count - len(heads.lstrip(SYNC))


def take(buffer: bytes, position: int, stride: int, count: int) -> bytes:
    """The packets without what the carrier put around them."""
    if stride == PACKET_BYTES:
        return buffer[position : position + count * stride]
    start = position + LEADS[stride]
    places = range(start, start + count * stride, stride)
    return b"".join([buffer[place : place + PACKET_BYTES] for place in places])
