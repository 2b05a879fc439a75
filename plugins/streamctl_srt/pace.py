"""How fast a receiver is sent to: by the rate of the media, and by what its line carries.

A receiver gives up what comes too late and acknowledges past it, so a sender never hears that a
line is too narrow; it sees packets lost, and round trips grow while they wait in front of the
narrow place. Both together mean too much: less is sent then than arrived, and what has to wait for
that waits where it can be skipped as whole pictures. Loss alone is a bad line, where sending less
helps nobody; where round trips were long from the start, only heavy loss tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl_srt.structs import Perf

CATCH_UP = 2.0
"""Times the media's rate at most, after a join or a pause."""
LEAST = 16_384
"""Bytes per second that anybody is sent."""
LOSS = 0.05
"""The part of the packets whose loss is more than a bad line's."""
HEAVY_LOSS = 0.2
"""The same where round trips have been long from the start, so that nobody knows why."""
PACKETS = 20
"""Fewer say nothing."""
RTT_FACTOR = 2.0
RTT_MS = 30.0
"""Round trips that are so much longer than the shortest one mean that packets wait."""
UNKNOWN_RTT_MS = 100.0
"""What libsrt says before it has measured one."""
FORGETTING = 1.01
"""How the shortest round trip ages from one second to the next: routes change."""
BACK_OFF = 0.8
GROWTH = 1.05
"""How the limit moves from one second to the next: down to less than arrived, up by little."""


class Pace:
    """Follows one connection; asked about once a second."""

    def __init__(self) -> None:
        self.limit = 0.0
        """What the line carries, bytes per second; 0 = more than is needed."""
        self._shortest_ms = float("inf")
        self._sent = self._lost = self._bytes = 0
        self._at: float | None = None

    def rate(self, media: float) -> float:
        """Bytes per second for media of so many; 0 = no limit, while its rate is not known."""
        if not media:
            return self.limit
        wanted = media * CATCH_UP
        if self.limit >= wanted:
            self.limit = 0.0
        return max(min(wanted, self.limit or wanted), LEAST)

    def look(self, perf: Perf, now: float) -> None:
        """Judge what has happened since the last look."""
        sent, lost = perf.pktSentTotal - self._sent, perf.pktSndLossTotal - self._lost
        size, at = perf.byteSentTotal - self._bytes, self._at
        self._sent, self._lost = perf.pktSentTotal, perf.pktSndLossTotal
        self._bytes, self._at = perf.byteSentTotal, now
        if perf.msRTT != UNKNOWN_RTT_MS:
            self._shortest_ms = min(self._shortest_ms * FORGETTING, perf.msRTT)
        if at is None or now <= at:
            return
        waits = perf.msRTT > self._shortest_ms * RTT_FACTOR + RTT_MS
        far = perf.msRTT > UNKNOWN_RTT_MS * RTT_FACTOR + RTT_MS
        narrow = (waits and lost > sent * LOSS) or (far and lost > sent * HEAVY_LOSS)
        if sent >= PACKETS and narrow:
            self.limit = max(size * (sent - lost) / sent / (now - at) * BACK_OFF, LEAST)
        else:
            self.limit *= GROWTH
