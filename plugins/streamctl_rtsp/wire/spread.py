"""When the packets of a picture leave: soon, but not all at once.

Theory of operation: a picture's packets leave within half of the time to the next picture, several
at each wake-up, since whole pictures in one go overrun the queues of switches. They are due by the
clock, so a wake-up that comes late sends what the one before it should have. What a receiver has to
catch up with leaves at twice the rate of the media, or a little faster than it comes.
"""

from __future__ import annotations

STEP_S = 0.002
"""The time between two wake-ups."""
LEAST = 8
"""Packets of one wake-up: fewer would be more wake-ups than packets are worth."""
MOST = 32
"""Packets of one wake-up that comes late: a third of what the smallest receive buffers hold. It is
more where pictures are so large that the share of two wake-ups is."""
FIRST_BYTES = LEAST * 1400
"""What leaves at once of what a receiver catches up with."""
CATCH_UP = 2.0
"""Times the media's rate."""
UNKNOWN_RATE = 1_000_000.0
"""Bytes per second, while the media's rate is not known."""
LONGEST_S = 0.1
"""The time between two pictures is not taken for longer, or an early one would come in a burst."""
SHORTEST_S = 0.005
SMOOTHING = 8


class Spread:
    """Counts packets that wait, and tells how many of them are due."""

    def __init__(self, interval_s: float = 0.04) -> None:
        self.waiting = 0
        self.waiting_bytes = 0
        self.rate = 0.0
        """Bytes per second while the receiver catches up; 0 = it does not."""
        self._interval_s = interval_s
        self._pace = 0.0
        """Packets per second while the receiver does not catch up."""
        self._credit = 0.0
        """Packets that may leave, or bytes while the receiver catches up."""
        self._put_at: float | None = None
        self._taken_at = 0.0

    def catch_up(self, rate: float, now: float) -> None:
        """What follows is from before: the media's rate is so much."""
        if not self.rate:
            self._taken_at = now
            self._credit = FIRST_BYTES
        self.rate = (rate or UNKNOWN_RATE) * CATCH_UP

    def put(self, packets: int, size: int, now: float) -> None:
        """So many more packets wait, which have so many bytes."""
        if not self.rate:
            if self._put_at is not None:
                gap = min(max(now - self._put_at, SHORTEST_S), LONGEST_S)
                self._interval_s += (gap - self._interval_s) / SMOOTHING
            self._put_at = now
            if not self.waiting:
                self._pace = self._credit = 0.0
                self._taken_at = now - STEP_S
            self._pace = max(self._pace, (self.waiting + packets) / (self._interval_s / 2))
        self.waiting += packets
        self.waiting_bytes += size

    def due(self, now: float) -> int:
        """How many may leave now."""
        elapsed, self._taken_at = now - self._taken_at, now
        if not self.waiting:
            return 0
        if not self.rate:
            self._credit += elapsed * self._pace
            return self._share()
        self._credit += elapsed * self.rate
        # By their own size: those of a stream of few bits are small, too.
        ready = min(int(self._credit * self.waiting / self.waiting_bytes), self.waiting)
        return ready if ready >= min(LEAST, self.waiting) else 0

    def _share(self) -> int:
        """Whole steps of packets, so that many receivers have the same ones to send."""
        most = max(MOST, int(2 * STEP_S * self._pace))
        share = max(min(int(self._credit), most) // LEAST, 1) * LEAST
        return self.waiting if self.waiting < share + LEAST else share

    def left(self, packets: int, size: int) -> None:
        """So many have left, which had so many bytes."""
        self.waiting -= packets
        self.waiting_bytes -= size
        if not self.rate:
            self._credit -= packets
            return
        self._credit -= size
        if not self.waiting:
            self.rate = 0.0
            self._put_at = None
