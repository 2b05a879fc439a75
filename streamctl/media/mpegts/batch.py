"""The headers of a run of packets at once: which PIDs, which counters, which rows matter.

Long runs are read as arrays, many times as fast as packet by packet; for short ones the set-up
of arrays costs more than a loop. Both forms give the same. Specification: ISO/IEC 13818-1
§2.4.3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.psi import NULL_PID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PIDS = 0x2000

ARRAY_PACKETS = 48
"""Runs of at least this length are read as arrays."""

STARTS, ADAPTED, LOADED = 0x40, 0x20, 0x10
"""Traits of a packet: a unit starts in it, it has an adaptation field, it has a payload."""

TRANSPORT_ERROR = 0x800000
SCRAMBLED = 0xC0
"""Bits of the header as a 32-bit number."""

UNKNOWN = 0xFF
"""Counter of a PID that has not been seen."""

Row = tuple[int, int, int, int]
"""Row, PID, counter, and counter before, of a packet that does not simply go on."""

COUNTER = np.arange(256, dtype=np.uint8) & np.uint8(15)
BEFORE = np.array([(low - (low >> 4 & 1)) & 15 for low in range(256)], np.uint8)
"""By the last byte of a header: its counter, and the one that has to stand before it."""
START_BITS = np.array([top & STARTS for top in range(256)], np.uint8)
CONTROL_BITS = np.array([low & (ADAPTED | LOADED) for low in range(256)], np.uint8)
"""Traits by the second and the last byte of a header."""
PID_BITS = np.uint16(0x1FFF)

PLAIN_MASK, PLAIN = 0xC000F0, 0x10
"""Header bits of packets that have nothing but payload and begin nothing."""


@dataclass(slots=True)
class Run:
    """Packets of one PID that have nothing but payload and count without a gap."""

    row: int
    """The last one."""
    payload: bytes
    first: int
    last: int
    """Counters of the first and the last one."""


class ArrayBatch:
    """A run of packets as arrays."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.count = len(data) // PACKET_BYTES
        self.data = data
        shape, step = (self.count,), (PACKET_BYTES,)
        self.words: NDArray[np.uint32] = np.ndarray(shape, ">u4", data, 0, step).astype(np.uint32)
        self.pids: NDArray[np.uint16] = np.ndarray(shape, ">u2", data, 1, step) & PID_BITS
        self._tops = np.ndarray(shape, np.uint8, data, 1, step)
        self._lows = np.ndarray(shape, np.uint8, data, 3, step)
        bits = int(np.bitwise_or.reduce(self.words)) if self.count else 0
        self.damaged = bool(bits & TRANSPORT_ERROR)
        """A packet is marked as having bit errors."""
        self.scrambled = bool(bits & SCRAMBLED)
        """A packet has scrambling bits."""

    def rows(self, interest: bytearray, start: int) -> list[int]:
        """The rows from ``start`` on that have a trait of interest for their PID."""
        traits = START_BITS[self._tops[start:]] | CONTROL_BITS[self._lows[start:]]
        wanted = np.frombuffer(interest, np.uint8)[self.pids[start:]]
        found = (wanted & traits).nonzero()[0]
        rows: list[int] = (found + start if start else found).tolist()
        return rows

    def of_pid(self, pid: int, start: int) -> Iterator[int]:
        """The rows of a PID from ``start`` on."""
        return iter((np.flatnonzero(self.pids[start:] == pid) + start).tolist())

    def pieces(self, pid: int, start: int, stop: int) -> Iterator[int | Run]:
        """The packets of a PID between two rows: runs of plain ones, and rows of others."""
        rows = np.flatnonzero(self.pids[start:stop] == pid) + start
        words = self.words[rows]
        plain = (words & PLAIN_MASK) == PLAIN
        breaks = ~plain
        breaks[1:] |= ~plain[:-1] | (words[1:] - words[:-1] & 15 != 1)
        grid = np.frombuffer(self.data, np.uint8, self.count * PACKET_BYTES)
        grid = grid.reshape(-1, PACKET_BYTES)
        edges = [0, *(np.flatnonzero(breaks[1:]) + 1).tolist(), len(rows)] if len(rows) else []
        for first, end in pairwise(edges):
            if not plain[first]:
                yield int(rows[first])
                continue
            payload = grid[rows[first:end], 4:].tobytes()
            last = end - 1
            yield Run(int(rows[last]), payload, int(words[first]) & 15, int(words[last]) & 15)

    def headers(self) -> Iterator[int]:
        """The header of each packet."""
        return iter(self.words.tolist())

    def counters_at(self, counters: bytes, row: int) -> bytearray:
        """What the last counters per PID are before ``row``, from those before the run."""
        found = bytearray(counters)
        np.frombuffer(found, np.uint8)[self.pids[:row]] = self.words[:row] & 15
        return found

    def follow(self, counters: bytearray, totals: bytearray) -> list[Row]:
        """Move counters on and add packets to totals (64 bits each); the rows that don't go on.

        Null packets are left out, since their counters mean nothing. Rows of PIDs that were
        unknown before may be among those.
        """
        order = self.pids.argsort(kind="stable")
        pids = self.pids[order]
        if pids[-1] == NULL_PID:
            end = pids.searchsorted(NULL_PID)
            order, pids = order[:end], pids[:end]
            if not end:
                return []
        lows = self._lows[order]
        values = COUNTER[lows]
        first = np.empty(len(pids), np.bool_)
        first[0] = True
        np.not_equal(pids[1:], pids[:-1], out=first[1:])
        edges = np.empty(int(np.count_nonzero(first)) + 1, np.intp)
        edges[:-1] = first.nonzero()[0]
        edges[-1] = len(pids)
        starts, ends = edges[:-1], edges[1:]
        heads = pids[starts]
        known = np.frombuffer(counters, np.uint8)
        before = np.empty(len(pids), np.uint8)
        before[1:] = values[:-1]
        before[starts] = known[heads]
        known[heads] = values[ends - 1]
        np.frombuffer(totals, np.int64)[heads] += ends - starts
        wrong = (before != BEFORE[lows]).nonzero()[0]
        if not len(wrong):
            return []
        columns = (order[wrong], pids[wrong], values[wrong], before[wrong])
        return list(zip(*(column.tolist() for column in columns), strict=True))


class ListBatch:
    """A run of packets as lists."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.count = len(data) // PACKET_BYTES
        starts = range(0, self.count * PACKET_BYTES, PACKET_BYTES)
        self.words = [int.from_bytes(data[at : at + 4], "big") for at in starts]
        self._rows: dict[int, list[int]] = {}
        bits = 0
        for word in self.words:
            bits |= word
        self.damaged = bool(bits & TRANSPORT_ERROR)
        """A packet is marked as having bit errors."""
        self.scrambled = bool(bits & SCRAMBLED)
        """A packet has scrambling bits."""

    def rows(self, interest: bytearray, start: int) -> list[int]:
        """The rows from ``start`` on that have a trait of interest for their PID."""
        return [
            row
            for row, word in enumerate(self.words[start:], start)
            if interest[word >> 8 & 0x1FFF] & (word >> 16 & STARTS | word & (ADAPTED | LOADED))
        ]

    def of_pid(self, pid: int, start: int) -> Iterator[int]:
        """The rows of a PID from ``start`` on."""
        return (row for row in self._by_pid().get(pid, ()) if row >= start)

    def pieces(self, pid: int, start: int, stop: int) -> Iterator[int | Run]:
        """The packets of a PID between two rows, all of them by their rows."""
        return (row for row in self._by_pid().get(pid, ()) if start <= row < stop)

    def _by_pid(self) -> dict[int, list[int]]:
        if not self._rows:
            for row, word in enumerate(self.words):
                self._rows.setdefault(word >> 8 & 0x1FFF, []).append(row)
        return self._rows

    def headers(self) -> Iterator[int]:
        """The header of each packet."""
        return iter(self.words)

    def counters_at(self, counters: bytes, row: int) -> bytearray:
        """What the last counters per PID are before ``row``, from those before the run."""
        found = bytearray(counters)
        for word in self.words[:row]:
            found[word >> 8 & 0x1FFF] = word & 15
        return found

    def follow(self, counters: bytearray, totals: bytearray) -> list[Row]:
        """Move counters on and add packets to totals (64 bits each); the rows that don't go on.

        Null packets are left out, since their counters mean nothing. Rows of PIDs that were
        unknown before may be among those.
        """
        numbers = memoryview(totals).cast("q")
        wrong = []
        for row, word in enumerate(self.words):
            pid = word >> 8 & 0x1FFF
            if pid == NULL_PID:
                continue
            before = counters[pid]
            counters[pid] = word & 15
            numbers[pid] += 1
            if before + (word >> 4 & 1) - word & 15:
                wrong.append((row, pid, word & 15, before))
        return wrong


Batch = ArrayBatch | ListBatch


def open_batch(data: bytes | bytearray | memoryview) -> Batch:
    """The headers of these packets in the form that is faster."""
    if len(data) >= ARRAY_PACKETS * PACKET_BYTES:
        return ArrayBatch(data)
    return ListBatch(data)
