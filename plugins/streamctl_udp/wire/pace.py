"""When transport packets are due: by the program clock inside them, on the sender's own clock.

Theory of operation: two references of the program clock (PCR) say when the packets between them
leave, evenly. They are due ``delay_s`` after they came, so that media which comes in lumps (a
picture at a time, or a network's) leaves without them. The clock that is followed is the one that
comes first; when it stops, another takes its place. The sender's own clock and the program's never
agree, so the smallest time that anything had left when it came is watched: as it shrinks or grows,
packets leave a little slower or faster, by :data:`SLEW`. A jump sets the clocks anew.

Specification: ISO/IEC 13818-1 §2.4.2.2 and §2.4.3.5 (program clock reference).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKET_BYTES = 188
PCR_HZ = 27_000_000
PCR_PERIOD = (1 << 33) * 300
"""Where the counter begins anew."""
PCR_FIELD_BYTES = 7
"""An adaptation field with a reference is at least this long."""
ADAPTATION = 0x20
PCR_FLAG = 0x10
PID_MASK = 0x1FFF

MAX_DISTANCE_S = 0.12
"""References are at most 0.1 s apart (§2.7.2): what is beyond is a pause, not a slow stream."""
CLOCK_GONE_S = 1.0
"""A clock that says nothing for so long gives its place to another."""
EARLY_S = 1.0
"""A clock that is this much before its time at once has jumped."""
EARLY = int(EARLY_S * PCR_HZ)
WATCH_S = 2.0
SLEW = 0.0002
"""By this part the pace may differ from the clock's: twice what bad quartz clocks drift apart, and
no more than the receivers of television can follow."""


@dataclass(slots=True)
class Run:
    """Whole packets that leave one after another."""

    due: float
    """When the first one does."""
    step: float
    """The time from one to the next."""
    data: bytes

    @property
    def count(self) -> int:
        """How many packets there are."""
        return len(self.data) // PACKET_BYTES

    def split(self, until: float) -> tuple[Run, Run | None]:
        """The packets that are due at a time (one at least), and the others."""
        if self.due + self.step * self.count <= until or not self.step:
            return self, None
        ready = int((until - self.due) / self.step) + 1
        if ready >= self.count:
            return self, None
        at = ready * PACKET_BYTES
        return Run(self.due, self.step, self.data[:at]), Run(
            self.due + self.step * ready, self.step, self.data[at:]
        )


class Pacer:
    """Takes packets as they come and gives them away when they are due."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.jumps = 0
        """How often the clocks had to be set anew, the first time not counted."""
        self.pid = -1
        """Whose clock is followed; -1 = none has been seen."""
        self._base: float | None = None
        """When the last reference was due."""
        self._reference = 0
        self._heard = 0.0
        """When the last reference came."""
        self._tail: list[bytes] = []
        """What came since, whose time the next reference tells."""
        self._queue: deque[Run] = deque()
        self._end = 0.0
        """Until when packets are planned."""
        self._least = delay_s
        self._watched = 0.0
        self._slew = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing waits for its time."""
        return not self._queue and not self._tail

    def feed(self, data: bytes, now: float) -> None:
        """Take whole packets that came now."""
        if self._base is None and not self._tail:
            self._heard = now
        begin = 0
        for at, value in self._references(data, now):
            if at > begin:
                self._tail.append(data[begin:at])
            begin = at
            self._meet(value, now)
        if begin < len(data):
            self._tail.append(data[begin:] if begin else data)

    def take(self, now: float) -> list[Run]:
        """What is due."""
        if self._tail and now >= self._patience():
            self._plan(max(self._end, now - 2 * MAX_DISTANCE_S), now)
        ready = []
        queue = self._queue
        while queue and queue[0].due <= now:
            run, rest = queue.popleft().split(now)
            ready.append(run)
            if rest is not None:
                queue.appendleft(rest)
        return ready

    def ahead(self, now: float) -> float:
        """For how long there is something planned, seconds."""
        return self._end - now if self._queue else 0.0

    def next_due(self) -> float | None:
        """When something is due next; None while nothing waits."""
        if self._queue:
            return self._queue[0].due
        return self._patience() if self._tail else None

    def finish(self, now: float) -> None:
        """Nothing more will come: plan the rest."""
        if self._tail:
            begin = max(self._end, now)
            self._plan(begin, begin + MAX_DISTANCE_S)

    def _patience(self) -> float:
        """When packets leave whose time no reference has told."""
        if self._base is None:
            return self._heard + self.delay_s
        return max(self._base, self._heard) + MAX_DISTANCE_S

    def _references(self, data: bytes, now: float) -> Iterator[tuple[int, int]]:
        """Where references of the followed clock stand, and their values."""
        for at in range(0, len(data), PACKET_BYTES):
            if (
                data[at + 3] & ADAPTATION
                and data[at + 4] >= PCR_FIELD_BYTES
                and data[at + 5] & PCR_FLAG
            ):
                pid = (data[at + 1] << 8 | data[at + 2]) & PID_MASK
                if pid != self.pid:
                    if self.pid >= 0 and now - self._heard < CLOCK_GONE_S:
                        continue
                    self.pid = pid
                    self._base = None
                yield at, reference(data, at)

    def _meet(self, value: int, now: float) -> None:
        """A reference came: what came before it is due before it."""
        due = max(now + self.delay_s, self._end)
        if self._base is None:
            self._watch_again(now)
        else:
            step = (value - self._reference + PCR_PERIOD // 2) % PCR_PERIOD - PCR_PERIOD // 2
            told = self._base + step / PCR_HZ
            left = told - now
            if step >= 0 and left >= 0 and (step < EARLY or left <= self.delay_s + EARLY_S):
                due = told + self._slew * step / PCR_HZ
                self._watch(left, now)
            else:
                self.jumps += 1
                self._watch_again(now)
        self._heard = now
        self._base, self._reference = due, value
        if self._tail:
            self._plan(max(self._end, due - MAX_DISTANCE_S), due)
        self._end = max(self._end, due)

    def _plan(self, begin: float, end: float) -> None:
        """Let what waits leave evenly from one time to another."""
        data = b"".join(self._tail)
        self._tail.clear()
        count = len(data) // PACKET_BYTES
        step = max(0.0, end - begin) / count if count else 0.0
        self._queue.append(Run(begin, step, data))
        self._end = max(begin, end)

    def _watch(self, left: float, now: float) -> None:
        """Set the pace by how much time was left when media came."""
        self._least = min(self._least, left)
        if now - self._watched >= WATCH_S:
            least = self._least
            self._watch_again(now)
            if least < self.delay_s / 4:
                self._slew = SLEW
            elif least > self.delay_s:
                self._slew = -SLEW

    def _watch_again(self, now: float) -> None:
        self._least = self.delay_s + EARLY_S
        self._watched = now
        self._slew = 0.0


def reference(data: bytes, at: int) -> int:
    """The program clock reference in the packet that begins at ``at``, 27 MHz."""
    field = int.from_bytes(data[at + 6 : at + 12], "big")
    return (field >> 15) * 300 + (field & 0x1FF)


def with_reference(packet: bytes, value: int) -> bytes:
    """A packet whose program clock reference is replaced."""
    base, extension = divmod(value % PCR_PERIOD, 300)
    field = (base << 15 | 0x7E00 | extension).to_bytes(6, "big")
    return packet[:6] + field + packet[12:]
