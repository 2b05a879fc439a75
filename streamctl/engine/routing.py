"""Where the packets of each PID go, and the packets of a run as they are to be written.

Everything here works on columns and costs the same for one packet as for hundreds; only the rows
that have more to tell than payload need a look of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamctl.media.mpegts.batch import ADAPTED, LOADED, PIDS, STARTS, ArrayBatch
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.restamp import read_clock, strip_to_clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKET = np.dtype(f"V{PACKET_BYTES}")
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

    def follow(self, out_pids: dict[int, int]) -> None:
        """Look at these streams, which are to be written under those PIDs."""
        self.interest[:] = bytes(PIDS)
        for pid, out_pid in out_pids.items():
            self.interest[pid] = UNITS
            self.head[pid] = out_pid >> 8
            self.tail[pid] = out_pid & 0xFF
        self.pids_move = any(pid != out_pid for pid, out_pid in out_pids.items())

    def counted(self, pid: int, counter: int) -> int:
        """The counter under which a packet of a PID is written."""
        return (counter + int(self.counter[pid])) & 15

    def count_on(self, pid: int, difference: int) -> None:
        """Add to the continuity counters of a PID."""
        self.counter[pid] = difference & 15
        self.counters_move = bool(self.counter.any())


class Run:
    """The packets of one buffer, and what the routes make of them."""

    def __init__(self, data: bytearray, routes: Routes, heads: ArrayBatch | None = None) -> None:
        self.data = data
        self.routes = routes
        self.heads = heads or ArrayBatch(data)
        self.count = self.heads.count
        self.pids = self.heads.pids
        self.passes: NDArray[np.bool_] = routes.passes[self.pids]
        self.repeats: set[int] = set()
        """Rows that repeat one before them, and are left out."""
        self.early = False
        """It came before the epoch began: nothing passes but what opens in it."""
        self._closed: list[tuple[NDArray[np.intp], int]] = []
        """Rows of PIDs that are not open, or are opened behind, and what their counters move by."""

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

    def pass_clock(self, row: int, counter: int) -> None:
        """Let the clock reference of a packet pass, before the next ``counter`` of its PID."""
        strip_to_clock(self.data, row * PACKET_BYTES, counter)
        self.passes[row] = True
        self._closed.append((np.array([row]), 0))

    def close(self, pid: int, row: int) -> None:
        """Drop a PID from this row on."""
        passed = (self.passes[:row] & (self.pids[:row] == pid)).nonzero()[0]
        self._closed.append((passed, int(self.routes.counter[pid])))
        self.routes.passes[pid] = False
        self.passes[row:][self.pids[row:] == pid] = False

    def note_counters(self, counters: bytearray, end: int) -> None:
        """Note the last counter of each PID before a row, as it came."""
        np.frombuffer(counters, np.uint8)[self.pids[:end]] = self.heads.words[:end] & 15

    def written(self, end: int) -> Written:
        """The rows before ``end`` that pass, as they are to be written."""
        routes = self.routes
        for row in self.repeats:
            self.passes[row] = False
        pids = self.pids[:end]
        grid = np.frombuffer(self.data, np.uint8).reshape(-1, PACKET_BYTES)[:end]
        if routes.counters_move or self._closed:
            control, moves = grid[:, 3], routes.counter[pids]
            for rows, move in self._closed:
                moves[rows] = move
            grid[:, 3] = control & 0xF0 | (control + moves) & 0x0F
        if routes.pids_move:
            grid[:, 1] = grid[:, 1] & 0xE0 | routes.head[pids]
            grid[:, 2] = routes.tail[pids]
        keep = self.passes[:end]
        if keep.all():
            return Written(grid.tobytes(), end, self)
        # As one item per packet: by bytes it takes twice as long.
        data = np.frombuffer(self.data, PACKET, end).compress(keep).tobytes()
        return Written(data, len(data) // PACKET_BYTES, self, keep)


class Written:
    """Packets as they leave."""

    def __init__(
        self, data: bytes, count: int, run: Run, keep: NDArray[np.bool_] | None = None
    ) -> None:
        self.data = data
        self.count = count
        self._run = run
        self._keep = keep

    def place(self, row: int) -> int:
        """Where a row of the run that passed stands among these."""
        return row if self._keep is None else int(np.count_nonzero(self._keep[:row]))

    def without(self, pid: int, start: int, stop: int) -> tuple[bytes, int | None]:
        """The packets of these rows but those that came under this PID; the last one's counter.

        Of those the clock references are left, which are nobody else's to tell.
        """
        pids, words = self._run.pids[: len(self._run.passes)], self._run.heads.words
        if self._keep is not None:
            end = len(self._keep)
            pids, words = pids[:end][self._keep], words[:end][self._keep]
        keep = pids[start:stop] != pid
        theirs = (~keep).nonzero()[0]
        rows = np.frombuffer(self.data, PACKET)[start:stop]
        if not len(theirs):
            return rows.tobytes(), None
        controls = np.frombuffer(self.data, np.uint8).reshape(-1, PACKET_BYTES)[start:stop, 3]
        adapted = theirs[controls[theirs] & ADAPTED != 0].tolist()
        clocks = [
            at for at in adapted if read_clock(self.data, (start + at) * PACKET_BYTES) is not None
        ]
        keep[clocks] = True
        data = bytearray(rows[keep].tobytes())
        first = int(controls[theirs[0]])
        for at in clocks:
            place = int(np.count_nonzero(keep[:at]))
            strip_to_clock(data, place * PACKET_BYTES, first + (not first & LOADED))
        return bytes(data), int(words[start:stop][theirs[-1]]) & 15
