"""Packets of MPEG-TS that wait for their turn, so that no input keeps the loop for long.

What a packet costs depends on what is in it: where a unit or a table begins there is something to
look at, everything else is moved by columns. A portion is bounded by the weight of both together.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from streamctl.media.mpegts.batch import STARTS
from streamctl.media.mpegts.packet import PACKET_BYTES

TURN_WEIGHT = 1024
"""What one turn of the loop deals with, in packets without a start: some 3 ms. It is also what is
looked at anew at most whenever the program changes."""
START_WEIGHT = 8
"""What a start weighs beside its packet. Starts alone, in a hostile stream, take 20 ms a turn."""


class Backlog:
    """Whole packets, in order, with the times at which they came."""

    def __init__(self) -> None:
        self.bytes = 0
        self._pieces: deque[tuple[memoryview, float]] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, packets: bytes | bytearray | memoryview, now: float) -> None:
        """Add packets that came now; what may change is copied."""
        if packets:
            kept = packets if isinstance(packets, bytes) else bytes(packets)
            self._pieces.append((memoryview(kept), now))
            self.bytes += len(packets)

    def take(self, weight: int) -> tuple[memoryview, float, int]:
        """The next packets up to that weight, but one at least: when they came, their weight."""
        packets, now = self._pieces.popleft()
        count, taken = portion(packets, weight)
        size = count * PACKET_BYTES
        if size < len(packets):
            self._pieces.appendleft((packets[size:], now))
            packets = packets[:size]
        self.bytes -= size
        return packets, now, taken

    def clear(self) -> int:
        """Drop everything; how many packets that were."""
        count = self.bytes // PACKET_BYTES
        self._pieces.clear()
        self.bytes = 0
        return count


def portion(packets: memoryview, weight: int) -> tuple[int, int]:
    """How many of these packets weigh no more than that, one at least, and their weight."""
    count = len(packets) // PACKET_BYTES
    tops = np.ndarray((count,), np.uint8, packets, 1, (PACKET_BYTES,))
    starts = (tops & STARTS) != 0
    whole = count + START_WEIGHT * int(np.count_nonzero(starts))
    if whole <= weight:
        return count, whole
    weights = np.cumsum(1 + START_WEIGHT * starts)
    count = max(1, int(weights.searchsorted(weight, side="right")))
    return count, int(weights[count - 1])
