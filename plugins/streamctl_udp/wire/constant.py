"""A constant bit rate: null packets wherever no other is due (ISO/IEC 13818-1 §2.4.3.3).

A packet leaves in the first free slot after it is due, so its clock reference is corrected by what
it waited for; packets keep their order. Null packets of the input are not needed and left out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl_udp.wire.pace import (
    ADAPTATION,
    PACKET_BYTES,
    PCR_FIELD_BYTES,
    PCR_FLAG,
    PCR_HZ,
    Run,
    reference,
    with_reference,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NULL_PID = 0x1FFF
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * (PACKET_BYTES - 4)
BACKLOG_S = 1.0
"""What may wait for slots; decoders hold no more, and more means that the rate is too low."""
HELD_UP_S = 0.25
"""A process that was held up for longer does not make up for the slots that it has missed."""


class ConstantRate:
    """Puts packets into slots of equal length."""

    def __init__(self, bits_per_second: int) -> None:
        self.step = PACKET_BYTES * 8 / bits_per_second
        self.nulls = 0
        self.dropped = 0
        """Packets that the rate has no room for."""
        self._next: float | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._most = int(BACKLOG_S / self.step)

    def fill(self, runs: Iterable[Run], now: float) -> list[Run]:
        """The packets of the slots that have passed; ``runs`` are those that have become due."""
        for run in runs:
            self._take(run)
        if self._next is None:
            if not self._waiting:
                return []
            self._next = now
        elif now - self._next > HELD_UP_S:
            self._next = now
        if len(self._waiting) > self._most:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        begin = at = self._next
        packets = []
        while at <= now:
            packets.append(self._packet(at))
            at += self.step
        self._next = at
        return [Run(begin, self.step, b"".join(packets))] if packets else []

    def _take(self, run: Run) -> None:
        data = run.data
        for number, at in enumerate(range(0, len(data), PACKET_BYTES)):
            if (data[at + 1] << 8 | data[at + 2]) & NULL_PID != NULL_PID:
                packet = data[at : at + PACKET_BYTES]
                self._waiting.append((run.due + number * run.step, packet))

    def _packet(self, at: float) -> bytes:
        """What leaves in the slot at a time."""
        waiting = self._waiting
        if not waiting or waiting[0][0] > at:
            self.nulls += 1
            return NULL_PACKET
        due, packet = waiting.popleft()
        if packet[3] & ADAPTATION and packet[4] >= PCR_FIELD_BYTES and packet[5] & PCR_FLAG:
            late = round((at - due) * PCR_HZ)
            return with_reference(packet, reference(packet, 0) + late)
        return packet
