"""Maps the times of one program that is passed through onto the timeline of its stream.

Theory of operation: one offset moves everything. A jump of the source against itself replaces it,
and since every stream of the program jumps for itself, each takes the new offset with its own
first time behind the jump, so that what is interleaved late is never torn away. A stream that
jumps alone, which is a fault of its own, goes on alone: data and splice cues follow the stream
that leads, and so do clock references, though they may be the first to jump. Lateness is no jump.
Nothing is put in order here, since the bytes of others are not changed beyond the offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamctl.engine.timeline import BOTH_VALID_S, FADES, JUMP
from streamctl.media.packet import TIMESCALE

FORGETS = 8
"""Units after which a long one hardly counts any more."""


@dataclass(slots=True)
class Line:
    """Where the times of one stream stand, or the clock references."""

    source: int
    """The last one, as the source said it."""
    offset: int
    arrival: float
    ahead: float
    """The furthest that it has been ahead of its arrival, in ticks."""
    step: int = 0
    """Last plausible distance, 90 kHz."""
    longest: int = 0
    """The longest one of late: a unit of sound holds now more frames, now fewer, and what follows
    another input's must not overlap the last."""

    def jumps(self, time: int, now: float) -> bool:
        """Whether a time is a jump: back always, forward only if it outruns the clock."""
        step = time - self.source
        ahead = time - now * TIMESCALE
        self.ahead -= (now - self.arrival) * FADES
        if -JUMP <= step <= JUMP:
            if ahead > self.ahead:
                self.ahead = ahead
            return False
        elapsed = (now - self.arrival) * TIMESCALE
        jumped = step < 0 or (step - elapsed > JUMP and ahead - self.ahead > JUMP)
        if jumped:
            self.ahead = ahead
        return jumped

    def expected(self, now: float) -> int:
        """Where a time that comes now belongs on the timeline."""
        elapsed = round((now - self.arrival) * TIMESCALE)
        return self.source + self.offset + (elapsed if elapsed > JUMP else self.step)

    def move(self, time: int, now: float) -> int:
        """Go on with a time; its offset."""
        step = time - self.source
        if 0 < step < JUMP:
            self.step = step
            self.longest = max(step, self.longest - (self.longest - step) // FORGETS)
        self.source = time
        self.arrival = now
        return self.offset


@dataclass(slots=True)
class ProgramClock:
    """One offset for all streams of a program."""

    offset: int
    """Of the newest jump that was none of a single stream."""
    lines: dict[int, Line] = field(default_factory=dict)
    leader: Line | None = None
    clock: Line | None = None
    """The clock references."""
    old_offset: int = 0
    old_until: float = 0.0
    jumps: int = 0

    @property
    def leading(self) -> int:
        """The offset of the stream that leads."""
        return self.leader.offset if self.leader is not None else self.offset

    def place(self, key: int, time: int, now: float, *, leads: bool = False) -> int:
        """The offset for a time, unwrapped, of the stream that is known by ``key``."""
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = new_line(time, self.leading, now)
        elif line.jumps(time, now):
            self._jump(line, time, now)
        if leads:
            self.leader = line
        return line.move(time, now)

    def tick(self, time: int, now: float) -> int:
        """The offset for a clock reference, unwrapped."""
        line = self.clock
        if line is None:
            line = self.clock = new_line(time, self.leading, now)
        elif line.jumps(time, now):
            expected = line.expected(now)
            joins = abs(time + self.leading - expected) <= JUMP
            line.offset = self.leading if joins else expected - time
        return line.move(time, now)

    def near(self, time: int, now: float, expected: int) -> int:
        """The offset for a time that must not move the clock: the one that puts it nearer."""
        offsets = [self.leading]
        if now < self.old_until:
            offsets.append(self.old_offset)
        return min(offsets, key=lambda offset: abs(time + offset - expected))

    def _jump(self, line: Line, time: int, now: float) -> None:
        """Give a stream that has jumped the offset of those before it, or a new one."""
        expected = line.expected(now)
        offsets = [self.offset, self.leading]
        if self.clock is not None:
            offsets.append(self.clock.offset)
        if now < self.old_until:
            offsets.append(self.old_offset)
        nearest = min(offsets, key=lambda offset: abs(time + offset - expected))
        known = nearest in {self.offset, self.old_offset} and self.jumps > 0
        if abs(time + nearest - expected) > JUMP:
            nearest = expected - time
            known = False
        if not known:
            self.jumps += 1
            self.old_offset, self.old_until = self.offset, now + BOTH_VALID_S
            self.offset = nearest
        line.offset = nearest


def new_line(time: int, offset: int, now: float) -> Line:
    """The line of a stream that begins."""
    return Line(time, offset, now, time - now * TIMESCALE)
