"""Decode order across tracks for files whose tracks are not interleaved by it.

Broadcast multiplexes place audio up to a second behind the video of the same time, and MP4
writers interleave as they like. What cannot be ordered within the bounds is passed on as it
comes; order within a track is never touched.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Packet

MAX_SPAN = 3 * TIMESCALE
"""A track that is silent for so long is not waited for."""
MAX_HELD = 1024
"""Packets held at most: several seconds of two tracks, whatever their timestamps claim."""


class Interleaver:
    """Holds packets until every track has shown where it stands."""

    def __init__(self, tracks: Iterable[int]) -> None:
        self.queues: dict[int, deque[Packet]] = {track: deque() for track in tracks}
        self.held = 0
        self.front = 0

    def push(self, packet: Packet) -> list[Packet]:
        """Take a packet; returns those whose turn has come."""
        self.queues[packet.track].append(packet)
        self.front = packet.dts if not self.held else max(self.front, packet.dts)
        self.held += 1
        ready: list[Packet] = []
        while self.held:
            head = self._head()
            if not (self._all_known() or self.held > MAX_HELD or self.front - head.dts > MAX_SPAN):
                break
            ready.append(self._pop(head))
        return ready

    def flush(self) -> list[Packet]:
        """Everything that is still held, in order."""
        ready = []
        while self.held:
            ready.append(self._pop(self._head()))
        return ready

    def _all_known(self) -> bool:
        return all(self.queues.values())

    def _head(self) -> Packet:
        return min((queue[0] for queue in self.queues.values() if queue), key=decode_time)

    def _pop(self, head: Packet) -> Packet:
        self.held -= 1
        return self.queues[head.track].popleft()


def decode_time(packet: Packet) -> int:
    """The key of decode order."""
    return packet.dts
