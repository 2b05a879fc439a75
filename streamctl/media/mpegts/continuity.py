"""Packets that are missing, repeated, damaged or scrambled, told by headers alone.

Specification: ISO/IEC 13818-1 §2.4.3.3 (continuity_counter): it counts packets with payload per
PID; a packet may be sent twice; a discontinuity may be announced.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from streamctl.media.mpegts.batch import (
    ADAPTED,
    LOADED,
    PIDS,
    SCRAMBLED,
    TRANSPORT_ERROR,
    UNKNOWN,
    ListBatch,
)
from streamctl.media.mpegts.packet import DISCONTINUITY, PACKET_BYTES

if TYPE_CHECKING:
    from streamctl.media.mpegts.batch import Batch


class Continuity:
    """Follows the counters of all PIDs."""

    def __init__(self) -> None:
        self.counters = bytearray(b"\xff" * PIDS)
        """Of the last packet, by PID; 255 = none yet."""
        self.totals = bytearray(8 * PIDS)
        self.lost: dict[int, int] = {}
        """Packets that are missing, by PID: at least that many, since 16 in a row go unseen."""
        self.jumps = 0
        """Places where packets are missing."""
        self.repeated = 0
        """Packets that were sent twice, which is legal."""
        self.damaged = 0
        """Packets that somebody on the way marked as having bit errors; nothing else of them
        counts."""
        self.scrambled: dict[int, int] = {}
        """Packets with scrambling bits, by PID."""

    @property
    def lost_packets(self) -> int:
        """Packets that are missing on all PIDs."""
        return sum(self.lost.values())

    @property
    def packets(self) -> dict[int, int]:
        """Packets that came, by PID, without null packets."""
        totals = np.frombuffer(self.totals, np.int64)
        seen = totals.nonzero()[0]
        return dict(zip(seen.tolist(), totals[seen].tolist(), strict=True))

    def came(self, pid: int) -> int:
        """Packets that came of one PID."""
        return int.from_bytes(self.totals[8 * pid : 8 * pid + 8], sys.byteorder)

    def take(self, batch: Batch, data: bytes | bytearray | memoryview) -> None:
        """Take a run of packets."""
        if batch.scrambled:
            for word in batch.headers():
                if word & SCRAMBLED and not word & TRANSPORT_ERROR:
                    pid = word >> 8 & 0x1FFF
                    self.scrambled[pid] = self.scrambled.get(pid, 0) + 1
        if batch.damaged:
            words = list(batch.headers())
            good = [row for row, word in enumerate(words) if not word & TRANSPORT_ERROR]
            self.damaged += len(words) - len(good)
            data = b"".join([bytes(data[row * 188 : row * 188 + 188]) for row in good])
            batch = ListBatch(data)
        for row, pid, value, before in batch.follow(self.counters, self.totals):
            if before != UNKNOWN:
                self._judge(memoryview(data)[row * PACKET_BYTES :], pid, value, before)

    def _judge(self, packet: memoryview, pid: int, value: int, before: int) -> None:
        """Count a packet whose counter does not simply go on."""
        control = packet[3]
        if control & ADAPTED and packet[4] and packet[5] & DISCONTINUITY:
            return
        if value == before and control & LOADED:
            self.repeated += 1
            return
        self.jumps += 1
        missing = value - before - (control & LOADED != 0) & 15
        self.lost[pid] = self.lost.get(pid, 0) + missing
