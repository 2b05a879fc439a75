"""PES packets out of the packets of one PID.

A PES packet may be longer than any number tells: pictures end where the next one begins. Packets
that repeat, are missing, damaged or scrambled are known here; what the payload means is left to
``unpack``. Specification: ISO/IEC 13818-1 §2.4.3.3, §2.4.3.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import DISCONTINUITY
from streamctl.media.mpegts.pes import PADDING_STREAM_ID, PesHeader, read_pes_header

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PICTURE_BYTES = 8 << 20
"""Of a PES packet without a length: an intra picture of 8K at high quality."""
MAX_PES_BYTES = 1 << 20
"""Of other streams: with a length they are 64 KiB at most, without one they should be."""


@dataclass(slots=True)
class Pes:
    """One PES packet, or several of which only the first has a time."""

    header: PesHeader
    payload: bytes
    torn: bool = False
    """Bytes are missing: inside where the stream is one of pictures, else at the end."""
    gap: bool = False
    """Bytes are missing in front of it."""
    continued: bool = False
    """The next one begins with the rest of its last picture."""


class PesAssembler:
    """Assembles one PID; keeps at most one PES packet."""

    def __init__(self, begins: Callable[[bytes], bool] | None = None) -> None:
        self.begins = begins
        """Of pictures: whether one begins at the start of a payload."""
        self.pictures = begins is not None
        """Torn pictures are shown with a fault; other units end where they are torn. A PES
        packet of pictures without a time continues the one before it."""
        self.limit = MAX_PICTURE_BYTES if self.pictures else MAX_PES_BYTES
        self.scrambled = False
        """The last packet had scrambling bits, and was not read."""
        self._parts: list[bytes] = []
        self._bytes = 0
        self._end = 0
        """Bytes at which the PES packet is complete; 0 = not known, or none is open."""
        self._open = False
        self._header: PesHeader | None = None
        """Of the open PES packet, if its first packet has it in full."""
        self._torn = False
        self._gap = False
        self._last = b""
        """The last payload, by which a repeated packet is known."""
        self._counter = -1

    def packet(self, packet: bytes, out: list[Pes]) -> None:
        """Take a packet; completed PES packets are appended."""
        control = packet[3]
        if packet[1] & 0x80 or not control & 0x10:
            return
        self.scrambled = bool(control & 0xC0)
        adapted = control & 0x20
        payload = packet[5 + packet[4] :] if adapted else packet[4:]
        counter = control & 15
        announced = adapted and packet[4] and packet[5] & DISCONTINUITY
        if counter == self._counter and payload == self._last and not announced:
            return
        if (counter - self._counter - 1) & 15 and self._counter >= 0:
            self._tear()
        self._counter = counter
        self._last = payload
        if self.scrambled:
            self._tear()
        elif packet[1] & 0x40:
            self._begin(payload, out)
        else:
            self._append(payload, out)

    def run(self, payload: bytes, first: int, last: int, out: list[Pes]) -> None:
        """Take the payloads of packets that have nothing but payload and count without a gap.

        ``first`` and ``last`` are the counters of the first and the last one.
        """
        if first == self._counter and payload[:184] == self._last:
            payload = payload[184:]
        elif (first - self._counter - 1) & 15 and self._counter >= 0:
            self._tear()
        self._counter = last
        self._last = payload[-184:] or self._last
        self.scrambled = False
        self._append(payload, out)

    def flush(self, out: list[Pes], *, continued: bool = False) -> None:
        """End the open PES packet, since nothing comes behind it that belongs to it."""
        if self._open and self._end:
            self._torn = True
        self._finish(out, continued=continued)

    def _begin(self, payload: bytes, out: list[Pes]) -> None:
        header = read_pes_header(payload)
        if header is not None and header.pts is None and self.pictures and self._open:
            self._append(payload[header.start :], out)
            return
        continued = False
        if self.begins is not None and header is not None:
            continued = not self.begins(payload[header.start :])
        self.flush(out, continued=continued)
        self._open = True
        self._parts = []
        self._bytes = self._end = 0
        self._torn = False
        self._header = header
        if header is not None and header.size >= 0 and not self.pictures:
            # Of pictures only the next PES packet tells that they end.
            self._end = header.start + header.size
        self._append(payload, out)

    def _append(self, payload: bytes, out: list[Pes]) -> None:
        if not self._open or (self._torn and not self.pictures):
            return
        if self._bytes + len(payload) > self.limit:
            self._torn = True
            return
        self._parts.append(payload)
        self._bytes += len(payload)
        if self._end and self._bytes >= self._end:
            self._finish(out)

    def _tear(self) -> None:
        """Bytes are missing behind what has been collected."""
        if self._open:
            self._torn = True
        else:
            self._gap = True

    def _finish(self, out: list[Pes], *, continued: bool = False) -> None:
        if not self._open:
            return
        data = b"".join(self._parts)
        self._parts = []
        self._open = False
        header = self._header or read_pes_header(data)
        if header is None or header.scrambled or header.stream_id == PADDING_STREAM_ID:
            self.scrambled = header is not None and header.scrambled
            return
        end = header.start + header.size if header.size >= 0 and not self.pictures else None
        out.append(Pes(header, data[header.start : end], self._torn, self._gap, continued))
        self._gap = False
