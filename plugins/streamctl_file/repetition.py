"""Puts passes over a transport stream file behind one another, so that receivers see no seam.

The first pass is left as it is. In those that follow every time is moved so that nothing overlaps
what came before, and the continuity counters go on (ISO/IEC 13818-1 §2.4.3.3). A pass is as long
as the longest of its pictures and sounds, up to the end of the last unit; where times jump inside
a file, the jump is left to the engine, and only what lies between jumps counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.psi import NULL_PID
from streamctl.media.mpegts.restamp import (
    CLOCK_FLAGS,
    CUE_TABLE_ID,
    HEAD_BYTES,
    gather,
    move_clocks,
    move_stamp,
    moved_cue,
    payload_spans,
    payload_start,
    read_clock,
    read_stamps,
    scatter,
)
from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.signedinteger[Any]]

PIDS = 0x2000
WRAP = 1 << 33
MAX_STEP = 10 * TIMESCALE
"""A greater step, or one back, is a jump."""
MAX_PAUSE = 10 * TIMESCALE
"""The longest way from the last clock reference of a pass to the first of the next."""
MEDIA_IDS = range(0xC0, 0xF0)
"""``stream_id`` of sound and pictures (§2.4.3.7)."""
HELD_BYTES = 4 << 20
"""What waits for the rest of a cue; its packets follow one another within a moment."""


@dataclass(slots=True)
class Extent:
    """How far the times of one PID have gone in this pass."""

    time: int
    """The last one."""
    size: int
    """Of its unit in bytes; 0 = not told."""
    media: bool
    length: int = 0
    step: int = 0
    step_size: int = 0
    """The last plausible distance, and the size of the unit that was as long."""

    def move(self, time: int, size: int) -> None:
        """Go on to the next unit."""
        step = (time - self.time) % WRAP
        if step <= MAX_STEP:
            self.length += step
            self.step, self.step_size = step, self.size
        self.time, self.size = time, size

    @property
    def end(self) -> int:
        """Where the last unit ends: of sound, one with fewer bytes is as much shorter."""
        if self.size and self.step_size:
            return self.length + min(self.step, self.step * self.size // self.step_size)
        return self.length + self.step


class Repetition:
    """The passes over one file; ``take`` is given whole packets."""

    def __init__(self) -> None:
        self.offset = 0
        """What is added to every time of this pass."""
        self.passes = 0
        self._counters = np.full(PIDS, 255, np.uint8)
        """As they were sent last, by PID; 255 = never."""
        self._deltas = np.zeros(PIDS, np.uint8)
        self._known = np.zeros(PIDS, np.bool_)
        """PIDs that have come in this pass."""
        self._extents: dict[int, Extent] = {}
        self._clock_pid: int | None = None
        self._clock = Extent(0, 0, media=False)
        self._held = b""

    def begin(self, pid: int, clock: int) -> None:
        """Begin a pass whose first clock reference (90 kHz) is this one."""
        if self.passes:
            media = [each for each in self._extents.values() if each.media]
            ends = [each.end for each in media or self._extents.values()]
            pause = max(ends, default=0) - self._clock.length
            pause = min(max(pause, self._clock.step), MAX_PAUSE)
            self.offset = (self._clock.time + self.offset + pause - clock) % WRAP
        self.passes += 1
        self._known[:] = False
        self._extents.clear()
        self._clock_pid = pid
        self._clock = Extent(clock, 0, media=False)

    def take(self, packets: bytes, *, last: bool = False) -> bytes | bytearray:
        """The packets as they are to be sent; some may wait, except for the last of a pass."""
        buffer = bytearray(self._held + packets)
        rows = np.frombuffer(buffer, np.uint8).reshape(-1, PACKET_BYTES)
        pids = (rows[:, 1].astype(np.intp) & 0x1F) << 8 | rows[:, 2]
        patient = not last and len(buffer) < HELD_BYTES
        end = len(rows)
        starts = (rows[:, 1] & 0x40 != 0) & (rows[:, 3] & 0xD0 == 0x10)
        for row in np.flatnonzero(starts).tolist():
            if not self._unit(buffer, pids, row) and patient:
                end = row
                break
        self._clocks(buffer, rows[:end])
        self._count(rows[:end], pids[:end])
        # A buffer that somebody looks into can't be shortened.
        del rows
        self._held = bytes(buffer[end * PACKET_BYTES :])
        del buffer[end * PACKET_BYTES :]
        return buffer

    def _unit(self, buffer: bytearray, pids: Numbers, row: int) -> bool:
        """Move the times of what begins in a packet; False = the rest of it has not come yet."""
        packet = row * PACKET_BYTES
        start = payload_start(buffer, packet)
        head = buffer[start : min(packet + PACKET_BYTES, start + HEAD_BYTES)]
        if not head.startswith(b"\0\0\1"):
            return not self.offset or self._cue(buffer, pids, row)
        stamps = read_stamps(head)
        if stamps is None:
            return True
        size = int.from_bytes(head[4:6], "big")
        extent = self._extents.get(int(pids[row]))
        if extent is None:
            media = head[3] in MEDIA_IDS
            self._extents[int(pids[row])] = Extent(stamps.dts, size, media=media)
        else:
            extent.move(stamps.dts, size)
        if self.offset:
            move_stamp(buffer, start + 9, self.offset)
            if stamps.has_dts:
                move_stamp(buffer, start + 14, self.offset)
        return True

    def _cue(self, buffer: bytearray, pids: Numbers, row: int) -> bool:
        """Move the time of a splice cue whose section begins in a packet."""
        packets = ((np.flatnonzero(pids[row:] == pids[row]) + row) * PACKET_BYTES).tolist()
        pointer = buffer[min(payload_start(buffer, packets[0]), packets[0] + PACKET_BYTES - 1)]
        head = gather(buffer, payload_spans(buffer, packets, 1 + pointer + 3))[1 + pointer :]
        if len(head) < 3 or head[0] != CUE_TABLE_ID:
            return True
        skipped = 1 + pointer
        size = 3 + (int.from_bytes(head[1:3], "big") & 0xFFF)
        spans = payload_spans(buffer, packets, skipped + size)
        data = gather(buffer, spans)
        if len(data) < skipped + size:
            return False
        moved = moved_cue(bytes(data[skipped:]), self.offset)
        if moved is not None:
            scatter(buffer, spans, data[:skipped] + moved)
        return True

    def _clocks(self, buffer: bytearray, rows: Bytes) -> None:
        adapted = (rows[:, 3] & 0x20 != 0) & (rows[:, 4] >= 7) & (rows[:, 5] & CLOCK_FLAGS != 0)
        for row in np.flatnonzero(adapted).tolist():
            packet = row * PACKET_BYTES
            pid = (buffer[packet + 1] & 0x1F) << 8 | buffer[packet + 2]
            clock = read_clock(buffer, packet)
            if pid == self._clock_pid and clock is not None:
                self._clock.move(clock, 0)
            if self.offset:
                move_clocks(buffer, packet, self.offset)

    def _count(self, rows: Bytes, pids: Numbers) -> None:
        """Let the continuity counters go on from the pass before."""
        for pid, row in self._new(pids):
            before = int(self._counters[pid])
            counter, loaded = int(rows[row, 3]) & 15, int(rows[row, 3]) >> 4 & 1
            known = before != 255 and pid != NULL_PID
            self._deltas[pid] = (before + loaded - counter) & 15 if known else 0
        if self.passes > 1:
            flags = rows[:, 3]
            rows[:, 3] = flags & 0xF0 | (flags + self._deltas[pids]) & 15
        self._counters[pids] = rows[:, 3] & 15

    def _new(self, pids: Numbers) -> Iterator[tuple[int, int]]:
        """PIDs that come for the first time in this pass, and where."""
        fresh = np.flatnonzero(~self._known[pids])
        found, first = np.unique(pids[fresh], return_index=True)
        self._known[found] = True
        return zip(found.tolist(), fresh[first].tolist(), strict=True)
