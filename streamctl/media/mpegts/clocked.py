"""Cuts the packets of a transport stream at its clock, so that they can be paced by it.

The clock is the program clock reference (ISO/IEC 13818-1 §2.4.3.5) of the first PID that has one;
between two of its values the packets are taken to be evenly spread. Opening files, and waiting
until something is due, are left to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import PACKET_BYTES, PCR_FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK_HZ = 27_000_000
CLOCK_WRAP = (1 << 33) * 300

MAX_STEP_S = 10.0
"""A clock that goes on by more, or back, has jumped; its packets keep the rate from before."""
MAX_SILENCE_BYTES = 4 << 20
"""Two seconds at 16 Mbit/s: a clock may be 100 ms apart (§2.7.2), so by then it is gone."""


@dataclass(slots=True)
class Segment:
    """Packets from one value of the clock to the next."""

    data: bytes
    begin_s: float
    """Media time of the first packet; 0 = the first value of the clock."""
    end_s: float

    @property
    def count(self) -> int:
        """Packets in it."""
        return len(self.data) // PACKET_BYTES

    def due(self, until_s: float) -> int:
        """How many of its packets are due before a time."""
        if until_s >= self.end_s:
            return self.count
        if until_s <= self.begin_s:
            return 0
        return ceil(self.count * (until_s - self.begin_s) / (self.end_s - self.begin_s))

    def time(self, place: int) -> float:
        """Media time of one of its packets."""
        return self.begin_s + (self.end_s - self.begin_s) * place / max(1, self.count)


class Segmenter:
    """Cuts one pass over a stream; ``feed`` takes whole packets."""

    def __init__(self, begin_s: float = 0.0) -> None:
        self.position_s = begin_s
        """Media time of the last value of the clock."""
        self.first: int | None = None
        """The first value of the clock."""
        self.pid: int | None = None
        """The PID that the clock is in."""
        self._last = 0
        self._s_per_byte = 0.0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def feed(self, packets: bytes) -> list[Segment]:
        """The segments that are complete by now."""
        out = []
        begin = 0
        for at, pid, value in clocks(packets):
            if self.pid is None:
                self.pid, self._last = pid, value
                self.first = value if self.first is None else self.first
            if pid != self.pid:
                continue
            self._wait(packets[begin:at])
            begin = at
            out += self._cut(value)
        self._wait(packets[begin:])
        if self._waiting_bytes > MAX_SILENCE_BYTES and self.first is not None:
            self.pid = None
            out += self._flush(self._waiting_bytes * self._s_per_byte)
        return out

    def finish(self) -> list[Segment]:
        """What comes after the last value of the clock."""
        return self._flush(self._waiting_bytes * self._s_per_byte)

    def _wait(self, packets: bytes) -> None:
        if packets:
            self._waiting.append(packets)
            self._waiting_bytes += len(packets)

    def _cut(self, value: int) -> list[Segment]:
        step_s = (value - self._last) % CLOCK_WRAP / CLOCK_HZ
        self._last = value
        if step_s > MAX_STEP_S:
            step_s = self._waiting_bytes * self._s_per_byte
        elif self._waiting_bytes and step_s:
            self._s_per_byte = step_s / self._waiting_bytes
        return self._flush(step_s)

    def _flush(self, length_s: float) -> list[Segment]:
        begin_s = self.position_s
        self.position_s += length_s
        if not self._waiting:
            return []
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return [Segment(data, begin_s, self.position_s)]


def clocks(packets: bytes) -> Iterator[tuple[int, int, int]]:
    """Place, PID and 27 MHz value of each program clock reference."""
    for number, flags in enumerate(packets[3::PACKET_BYTES]):
        if not flags & 0x20:
            continue
        at = number * PACKET_BYTES
        if packets[at + 4] >= 7 and packets[at + 5] & PCR_FLAG:
            pid = (packets[at + 1] & 0x1F) << 8 | packets[at + 2]
            yield at, pid, clock_value(packets, at + 6)


def clock_value(packets: bytes, at: int) -> int:
    """A program clock reference on its 27 MHz clock."""
    field = int.from_bytes(packets[at : at + 6], "big")
    return (field >> 15) * 300 + (field & 0x1FF)
