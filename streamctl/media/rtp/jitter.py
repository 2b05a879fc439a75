"""Puts the packets of one source in order, and says where some are missing.

Theory of operation: a packet that is the next one goes on at once, so nothing waits while nothing
is wrong, whatever the rate and however the sender's clock drifts. Only behind a gap packets are
held, until what is missing has come or has had its time; then it is lost. Numbers that make no
sense are believed if two follow each other: the sender has begun anew. Nothing is compared with a
time of the past but arrivals, so there is nothing that could be anchored wrong.
Specification: RFC 3550, appendix A.1 (the distances, and the two packets in a row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streamctl.media.rtp.packet import SEQUENCE_MASK

if TYPE_CHECKING:
    from streamctl.media.rtp.packet import RtpPacket

    Ordered = tuple[RtpPacket, bool]
    """A packet, and whether packets are missing before it."""

NUMBERS = SEQUENCE_MASK + 1
MAX_DROPOUT = 3000
"""A packet this far ahead follows a gap; further ahead it belongs to another numbering."""
MAX_MISORDER = 100
"""A packet this far behind is late; further behind it belongs to another numbering."""
MAX_HELD_BYTES = 8 * 1024 * 1024
"""Over a second at 50 Mbit/s; beyond it nothing is waited for."""
DEFAULT_WAIT_S = 0.1
"""Packets that change places in a network do so within a few milliseconds."""


@dataclass(slots=True)
class Tally:
    """What the numbers of one source tell; extended numbers count on through their wrap."""

    base: int = -1
    """Extended number of the first packet since the newest beginning; -1 = none came."""
    highest: int = -1
    """Highest extended number."""
    received: int = 0
    """Packets since that beginning, those that came late or twice among them."""
    lost: int = 0
    """Packets that never came in time, over all beginnings."""
    gaps: int = 0
    late: int = 0
    """Packets that came after they were given up, or twice."""
    restarts: int = 0
    """Beginnings after the first."""

    def begin(self, number: int) -> None:
        """A numbering begins."""
        self.restarts += self.base >= 0
        self.base = self.highest = number
        self.received = 0


class Order(Protocol):
    """Puts packets in order."""

    tally: Tally

    @property
    def deadline(self) -> float | None:
        """When :meth:`poll` has something to do; None = there is nothing that waits."""

    def push(self, packet: RtpPacket, now: float) -> list[Ordered]:
        """Take a packet; those that can go on."""

    def poll(self, now: float) -> list[Ordered]:
        """Give up what has had its time; the packets that can go on."""


class Arrival:
    """The order of a transport that keeps it; implements :class:`Order`."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._expected = -1

    deadline = None

    def push(self, packet: RtpPacket, now: float) -> list[Ordered]:
        """Take a packet, whatever its number: only the sender can have left some out."""
        del now
        tally, number, expected = self.tally, packet.sequence, self._expected
        self._expected = (number + 1) & SEQUENCE_MASK
        if number == expected:
            tally.highest += 1
            tally.received += 1
            return [(packet, False)]
        ahead = (number - expected) & SEQUENCE_MASK
        if expected < 0 or ahead >= MAX_DROPOUT:
            tally.begin(number)
        else:
            tally.gaps += 1
            tally.lost += ahead
            tally.highest += ahead + 1
        tally.received += 1
        return [(packet, expected >= 0)]

    def poll(self, now: float) -> list[Ordered]:
        """Nothing, since nothing is held."""
        del now
        return []


class JitterBuffer:
    """The order of datagrams; implements :class:`Order`."""

    def __init__(self, wait_s: float = DEFAULT_WAIT_S) -> None:
        self.wait_s = wait_s
        """How long what is missing is waited for."""
        self.tally = Tally()
        self._expected = -1
        """Extended number of the next packet; -1 before the first."""
        self._held: dict[int, tuple[RtpPacket, float]] = {}
        """Packets behind a gap, with their arrival, by extended number."""
        self._held_bytes = 0
        self._deadline: float | None = None
        self._broken = False
        """Packets are missing before the next one."""
        self._suspect: RtpPacket | None = None
        """A packet that would begin another numbering, if the next one follows it."""

    @property
    def deadline(self) -> float | None:
        """When what is missing will be given up; None if nothing is."""
        return self._deadline

    def push(self, packet: RtpPacket, now: float) -> list[Ordered]:
        """Take a packet; those that can go on, in order."""
        expected = self._expected
        ahead = (packet.sequence - expected) & SEQUENCE_MASK
        if not ahead and expected >= 0:
            tally = self.tally
            tally.received += 1
            self._expected = expected + 1
            if not self._held:
                tally.highest = expected
                broken, self._broken = self._broken, False
                return [(packet, broken)]
            return [(packet, self._take_broken()), *self._drain()]
        if expected < 0:
            return self._begin([packet])
        if ahead < MAX_DROPOUT:
            return self._hold(expected + ahead, packet, now)
        if NUMBERS - ahead <= MAX_MISORDER:
            self.tally.received += 1
            self.tally.late += 1
            return []
        return self._doubt(packet)

    def poll(self, now: float) -> list[Ordered]:
        """Give up what has had its time; the packets that can go on, in order."""
        found: list[Ordered] = []
        while self._deadline is not None and self._deadline <= now:
            found += self._give_up()
        return found

    def flush(self) -> list[Ordered]:
        """Give up whatever is missing; all packets that are held, in order."""
        found: list[Ordered] = []
        while self._held:
            found += self._give_up()
        return found

    def _hold(self, number: int, packet: RtpPacket, now: float) -> list[Ordered]:
        """Keep a packet from behind a gap; ``number`` is its extended one."""
        tally = self.tally
        tally.received += 1
        if number in self._held:
            tally.late += 1
            return []
        tally.highest = max(tally.highest, number)
        self._held[number] = (packet, now)
        self._held_bytes += len(packet.payload)
        if self._deadline is None:
            self._deadline = now + self.wait_s
        found = []
        while self._held_bytes > MAX_HELD_BYTES:
            found += self._give_up()
        return found + self.poll(now)

    def _give_up(self) -> list[Ordered]:
        """Call lost what is missing before the first packet that is held."""
        first = min(self._held)
        self.tally.gaps += 1
        self.tally.lost += first - self._expected
        self._expected = first
        self._broken = True
        return self._drain()

    def _drain(self) -> list[Ordered]:
        """The packets that are held up to the next gap."""
        found = []
        while self._expected in self._held:
            packet, _ = self._held.pop(self._expected)
            self._held_bytes -= len(packet.payload)
            self._expected += 1
            found.append((packet, self._take_broken()))
        if self._held:
            self._deadline = min(since for _, since in self._held.values()) + self.wait_s
        else:
            self._deadline = None
            self.tally.highest = max(self.tally.highest, self._expected - 1)
        return found

    def _doubt(self, packet: RtpPacket) -> list[Ordered]:
        """Take a packet that belongs to no numbering that is known."""
        suspect = self._suspect
        if suspect is None or packet.sequence != (suspect.sequence + 1) & SEQUENCE_MASK:
            self._suspect = packet
            return []
        rest = self.flush()
        self._broken = True
        return rest + self._begin([suspect, packet])

    def _begin(self, packets: list[RtpPacket]) -> list[Ordered]:
        """Begin with packets that follow each other."""
        self._suspect = None
        first = packets[0].sequence
        self.tally.begin(first)
        self.tally.highest = first + len(packets) - 1
        self.tally.received = len(packets)
        self._expected = first + len(packets)
        return [(packet, self._take_broken()) for packet in packets]

    def _take_broken(self) -> bool:
        broken, self._broken = self._broken, False
        return broken
