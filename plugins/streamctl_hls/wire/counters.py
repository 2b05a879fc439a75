"""Continuity counters of MPEG-TS that begin anew in every segment, as some packagers have them.

They go on where the segment before ended (ISO/IEC 13818-1 §2.4.3.3), so that nobody sees losses
where there are none. Counters that differ in any other way are left as they are: packets are
missing there.
"""

from __future__ import annotations

import numpy as np

from streamctl.media.mpegts.packet import PACKET_BYTES

PIDS = 0x2000
NULL_PID = 0x1FFF
UNKNOWN = 255


class Counters:
    """The counters of one passage."""

    def __init__(self) -> None:
        self._last = np.full(PIDS, UNKNOWN, np.uint8)
        """As they were sent last, by PID."""
        self._deltas = np.zeros(PIDS, np.uint8)
        self._seen = np.ones(PIDS, np.bool_)
        """PIDs that have come in this segment."""

    def begin(self) -> None:
        """A segment begins."""
        self._seen[:] = False

    def take(self, packets: bytes) -> bytes:
        """Whole packets as they are to be sent."""
        rows = np.frombuffer(packets, np.uint8).reshape(-1, PACKET_BYTES)
        pids = (rows[:, 1].astype(np.intp) & 0x1F) << 8 | rows[:, 2]
        fresh = np.flatnonzero(~self._seen[pids])
        if len(fresh):
            found, first = np.unique(pids[fresh], return_index=True)
            self._seen[found] = True
            for pid, row in zip(found.tolist(), fresh[first].tolist(), strict=True):
                self._meet(pid, int(rows[row, 3]))
        deltas = self._deltas[pids]
        counters = (rows[:, 3] + deltas) & 15
        self._last[pids] = counters
        if not deltas.any():
            return packets
        out = rows.copy()
        out[:, 3] = rows[:, 3] & 0xF0 | counters
        return out.tobytes()

    def _meet(self, pid: int, flags: int) -> None:
        """Look at the first packet of a PID in a segment."""
        before = int(self._last[pid])
        if before == UNKNOWN or pid == NULL_PID:
            return
        expected = (before + (flags >> 4 & 1)) & 15
        counter = flags & 15
        if counter == 0 and (counter + int(self._deltas[pid])) & 15 != expected:
            self._deltas[pid] = expected
