"""One timeline over a whole file and over its repetitions.

A file has no arrival clock, so its own durations tell what a jump is: a track that continues
neither where it stopped nor where the program stands has jumped, and then *one* offset is
replaced for the whole program, so that A/V offsets are kept to the tick. For a while after a
jump the old offset stays valid as well, because interleaved tracks cross the jump at
different places. Offsets are only ever added to, never summed per packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from streamctl.media.packet import Packet

FORWARD_JUMP = 5 * TIMESCALE
"""Lost or damaged media up to this length stays a hole of its true length."""
BACKWARD_JUMP = 2 * TIMESCALE
"""Tracks of a broadcast multiplex stand up to 0.9 s apart at the same place."""


class Continuity:
    """Maps the timestamps of a file to one unbroken timeline that starts at 0.

    Feed packets in file order. Call :meth:`rewind` before the file is read again.
    """

    def __init__(self) -> None:
        self.base: int | None = None
        """The offset that the running pass began with."""
        self.offset = 0
        self.previous: int | None = None
        self.expected: dict[int, int] = {}
        """Where each track goes on, in output time."""
        self.front = 0
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.last_dts: dict[int, int] = {}
        self.jumps = 0

    def place(self, packet: Packet) -> None:
        """Move the packet onto the timeline, in place; DTS rises strictly per track."""
        shift = self._shift(packet)
        track = packet.track
        pts = packet.pts + shift
        dts = packet.dts + shift
        self.expected[track] = dts + packet.dur
        self.front = max(self.front, dts + packet.dur)
        self.starts[track] = min(self.starts.get(track, pts), pts)
        self.ends[track] = max(self.ends.get(track, pts), pts + packet.dur)
        packet.dts = max(dts, self.last_dts.get(track, dts - 1) + 1)
        packet.pts = max(pts, packet.dts)
        self.last_dts[track] = packet.dts

    def rewind(self, *, elsewhere: bool = False) -> int:
        """Place the next pass behind what came; returns the length of this one.

        A pass is as long as its longest track: no track overlaps itself, and the longest goes
        on without a hole. The next pass begins where this one did unless it is ``elsewhere``.
        """
        length = max((self.ends[track] - at for track, at in self.starts.items()), default=0)
        self.front = min(self.starts.values(), default=0) + length
        self.base = None if elsewhere or self.base is None else self.base + length
        self.offset = self.base or 0
        self.previous = None
        for state in (self.expected, self.starts, self.ends):
            state.clear()
        return length

    def _shift(self, packet: Packet) -> int:
        if self.base is None:
            self.base = self.offset = self.front - packet.dts
            return self.offset
        if self._continues(packet, self.offset):
            return self.offset
        if self.previous is not None and self._continues(packet, self.previous):
            return self.previous
        self.previous = self.offset
        self.offset = self.expected.get(packet.track, self.front) - packet.dts
        self.jumps += 1
        return self.offset

    def _continues(self, packet: Packet, offset: int) -> bool:
        moved = packet.dts + offset
        expected = self.expected.get(packet.track, self.front)
        return any(
            -BACKWARD_JUMP <= moved - place <= FORWARD_JUMP for place in (expected, self.front)
        )
