"""Access units that wait until the configurations of their tracks are known."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Packet

QUEUE_PACKETS = 3000
"""More than 3 s of any stream worth having."""
QUEUE_BYTES = 33_554_432
"""Payload: 3 s at 80 Mbit/s, whatever the size that a peer gives its packets."""


class Queued:
    """What came, with its times of arrival."""

    def __init__(self) -> None:
        self.packets = 0
        self._pieces: deque[tuple[list[Packet], float]] = deque()
        self._bytes = 0

    def put(self, packets: list[Packet], now: float) -> int:
        """Let packets wait; how many of the oldest had to go, since there were too many."""
        self._pieces.append((packets, now))
        self.packets += len(packets)
        self._bytes += payload_bytes(packets)
        before = self.packets
        while self.packets > QUEUE_PACKETS or self._bytes > QUEUE_BYTES:
            oldest, _ = self._pieces.popleft()
            self.packets -= len(oldest)
            self._bytes -= payload_bytes(oldest)
        return before - self.packets

    def take(self) -> list[tuple[list[Packet], float]]:
        """All of it; nothing waits any more."""
        pieces = list(self._pieces)
        self._pieces.clear()
        self.packets = self._bytes = 0
        return pieces


def payload_bytes(packets: Iterable[Packet]) -> int:
    """What these packets carry."""
    return sum(len(packet.data) for packet in packets)
