"""Where the packets of each PID go, and the packets of a run as they are to be written.

Everything here works on columns and costs the same for one packet as for hundreds; only the rows
that have more to tell than payload need a look of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamctl.media.mpegts.batch import ADAPTED, PIDS, STARTS, ArrayBatch
from streamctl.media.mpegts.packet import PACKET_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNITS = STARTS | ADAPTED
"""Of a stream, the packets where units begin or clock references may stand are looked at."""


class Routes:
    """What happens to the packets of each PID."""

    def __init__(self) -> None:
        self.interest = bytearray(PIDS)
        """Which packets of a PID are to be looked at."""
        self.passes = np.zeros(PIDS, np.bool_)
        self.counter = np.zeros(PIDS, np.uint8)
        """Added to the continuity counters."""
        self.counters_move = False
        self.head = np.zeros(PIDS, np.uint8)
        self.tail = np.zeros(PIDS, np.uint8)
        """The PID that is written, by byte."""
        self.pids_move = False
        self.last = np.zeros(PIDS, np.uint8)
        """Continuity counter of the newest packet that passed, as it came."""

    def follow(self, out_pids: dict[int, int]) -> None:
        """Look at these streams, which are to be written under those PIDs."""
        self.interest[:] = bytes(PIDS)
        for pid, out_pid in out_pids.items():
            self.interest[pid] = UNITS
            self.head[pid] = out_pid >> 8
            self.tail[pid] = out_pid & 0xFF
        self.pids_move = any(pid != out_pid for pid, out_pid in out_pids.items())

    def count_on(self, pid: int, difference: int) -> None:
        """Add to the continuity counters of a PID."""
        self.counter[pid] = difference & 15
        self.counters_move = bool(self.counter.any())

    def next_counter(self, pid: int) -> int:
        """The counter that follows in what is written."""
        return int(self.last[pid]) + int(self.counter[pid]) + 1 & 15


class Run:
    """The packets of one buffer, and what the routes make of them."""

    def __init__(self, data: bytearray, routes: Routes) -> None:
        self.data = data
        self.routes = routes
        self.heads = ArrayBatch(data)
        self.count = self.heads.count
        self.pids = self.heads.pids
        self.passes: NDArray[np.bool_] = routes.passes[self.pids]

    def remarkable(self) -> list[int]:
        """Rows that have more to tell than payload."""
        return self.heads.rows(self.routes.interest, 0)

    def rows_of(self, pid: int, first: int) -> list[int]:
        """Rows of one PID from a row on."""
        return list(self.heads.of_pid(pid, first))

    def open(self, pid: int, row: int) -> None:
        """Let a PID pass from this row on."""
        self.routes.passes[pid] = True
        self.passes[row:][self.pids[row:] == pid] = True

    def close(self, pid: int, row: int) -> None:
        """Drop a PID from this row on."""
        passed = (self.passes[:row] & (self.pids[:row] == pid)).nonzero()[0]
        if len(passed):
            self.routes.last[pid] = self.heads.words[passed[-1]] & 15
        self.routes.passes[pid] = False
        self.passes[row:][self.pids[row:] == pid] = False

    def written(self, end: int) -> Written:
        """The rows before ``end`` that pass, as they are to be written."""
        routes = self.routes
        pids = self.pids[:end]
        grid = np.frombuffer(self.data, np.uint8).reshape(-1, PACKET_BYTES)[:end]
        if routes.counters_move:
            control = grid[:, 3]
            grid[:, 3] = control & 0xF0 | (control + routes.counter[pids]) & 0x0F
        if routes.pids_move:
            grid[:, 1] = grid[:, 1] & 0xE0 | routes.head[pids]
            grid[:, 2] = routes.tail[pids]
        keep = self.passes[:end]
        counters = self.heads.words[:end]
        if keep.all():
            return Written(grid.tobytes(), pids, counters, None)
        return Written(grid[keep].tobytes(), pids[keep], counters[keep], keep.cumsum())


class Written:
    """Packets as they leave."""

    def __init__(
        self,
        data: bytes,
        pids: NDArray[np.uint16],
        words: NDArray[np.uint32],
        places: NDArray[np.intp] | None,
    ) -> None:
        self.data = data
        self.count = len(pids)
        self._pids = pids
        self._words = words
        self._places = places

    def place(self, row: int) -> int:
        """Where a row of the run that passed stands among these."""
        return row if self._places is None else int(self._places[row]) - 1

    def note(self, routes: Routes, start: int, end: int) -> None:
        """Remember the counters of these rows; of several of a PID the last one counts."""
        routes.last[self._pids[start:end]] = self._words[start:end] & 15

    def without(self, pid: int, start: int, end: int) -> bytes:
        """The packets of these rows but those that came under this PID."""
        rows = np.frombuffer(self.data, np.uint8).reshape(-1, PACKET_BYTES)[start:end]
        kept: NDArray[np.uint8] = rows[self._pids[start:end] != pid]
        return kept.tobytes()
