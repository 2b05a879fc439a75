"""Decoding times for containers that store only presentation times.

Matroska gives none for the first pictures of a stream with B-frames, because it takes a few of
them to learn the reordering depth; the times are counted back from the first one that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.media.packet import Packet

MAX_WAITING = 16
"""The deepest reordering of any H.264 level (``max_dec_frame_buffering``)."""


class DecodeTimes:
    """Holds pictures back until one of known decoding time has come."""

    def __init__(self) -> None:
        self.waiting: list[Packet] = []
        self.settled = False

    def fill(self, packets: list[Packet], *, known: bool) -> list[Packet]:
        """The packets whose DTS is final; those without a ``known`` one wait for it."""
        if self.settled:
            return packets
        self.waiting += packets
        if not known and len(self.waiting) <= MAX_WAITING:
            return []
        self.settled = True
        return self.flush()

    def flush(self) -> list[Packet]:
        """The packets that still wait, at the end of the source."""
        ready, self.waiting = self.waiting, []
        for index in range(len(ready) - 2, -1, -1):
            packet, later = ready[index], ready[index + 1]
            packet.dts = min(packet.pts, later.dts - max(packet.dur, 1))
        return ready
