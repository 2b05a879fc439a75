"""Maps the times of one program that is passed through onto the timeline of its stream.

The rules are those of :mod:`streamctl.engine.timeline`: one offset for everything, a jump of the
source against itself replaces it, and for a while both are valid. Clock references follow the
pictures and sounds: when they jump first, as they should, the others join them, and when they jump
alone, which is a fault, the others stay. Nothing is put in order here, since the bytes of others
are not changed beyond the offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamctl.engine.timeline import BOTH_VALID_S, JUMP
from streamctl.media.packet import TIMESCALE


@dataclass(slots=True)
class Line:
    """The last time of one PID's stream, or of the clock references."""

    source: int
    """As the source said it."""
    out: int
    """On the timeline."""
    step: int
    """Last plausible distance, 90 kHz."""
    arrival: float
    ahead: float
    """The furthest that it has ever been ahead of its arrival, in ticks."""

    def jumps(self, time: int, now: float) -> bool:
        """Whether a time is a jump: back always, forward only if it outruns the clock."""
        step = time - self.source
        ahead = time - now * TIMESCALE
        if -JUMP <= step <= JUMP:
            if ahead > self.ahead:
                self.ahead = ahead
            return False
        elapsed = (now - self.arrival) * TIMESCALE
        jumped = step < 0 or (step - elapsed > JUMP and ahead - self.ahead > JUMP)
        if jumped:
            self.ahead = ahead
        return jumped


@dataclass(slots=True)
class ProgramClock:
    """One offset for all streams of a program."""

    offset: int
    lines: dict[int, Line] = field(default_factory=dict)
    old_offset: int | None = None
    old_until: float = 0.0
    jumps: int = 0
    clock: Line | None = None
    """The clock references."""
    clock_offset: int = 0
    """What they are moved by; the offset, unless they have jumped ahead of the others."""

    def begin(self, offset: int) -> None:
        """Take the offset of an epoch."""
        self.offset = self.clock_offset = offset

    def tick(self, time: int, now: float) -> int:
        """The offset for a clock reference, unwrapped."""
        line = self.clock
        if line is None:
            ahead = time - now * TIMESCALE
            line = self.clock = Line(time, time + self.clock_offset, 0, now, ahead)
        step = time - line.source
        elapsed = (now - line.arrival) * TIMESCALE
        if line.jumps(time, now):
            expected = line.out + (round(elapsed) if elapsed > JUMP else line.step)
            near = abs(time + self.offset - expected) <= JUMP
            self.clock_offset = self.offset if near else expected - time
        elif 0 < step < JUMP:
            line.step = step
        line.source = time
        line.arrival = now
        line.out = time + self.clock_offset
        return self.clock_offset

    def place(self, key: int, time: int, now: float) -> int:
        """The offset for a time, unwrapped, of the stream that is known by ``key``."""
        line = self.lines.get(key)
        if line is None:
            ahead = time - now * TIMESCALE
            self.lines[key] = Line(time, time + self.offset, 0, now, ahead)
            return self.offset
        step = time - line.source
        if line.jumps(time, now):
            self._jump(line, time, now)
        offset = self.offset if self.old_offset is None else self._pick(line, time, now)
        if 0 < step < JUMP:
            line.step = step
        line.source = time
        line.arrival = now
        line.out = time + offset
        return offset

    def near(self, time: int, now: float, expected: int) -> int:
        """The offset for a time that must not move the clock: the one that puts it nearer."""
        if self.old_offset is None or now >= self.old_until:
            return self.offset
        wanted = expected - time
        return min(self.offset, self.old_offset, key=lambda offset: abs(offset - wanted))

    def _jump(self, line: Line, time: int, now: float) -> None:
        if self.old_offset is not None and now < self.old_until:
            nearer = abs(time + self.old_offset - line.out)
            if min(nearer, abs(time + self.offset - line.out)) <= JUMP:
                return
        self.jumps += 1
        self.old_offset, self.old_until = self.offset, now + BOTH_VALID_S
        elapsed = round((now - line.arrival) * TIMESCALE)
        expected = line.out + (elapsed if elapsed > JUMP else line.step)
        together = abs(time + self.clock_offset - expected) <= JUMP
        self.offset = self.clock_offset if together else expected - time

    def _pick(self, line: Line, time: int, now: float) -> int:
        if now >= self.old_until:
            self.old_offset = None
        return self.near(time, now, line.out + line.step)
