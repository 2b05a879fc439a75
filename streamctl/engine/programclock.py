"""Maps the times of one program that is passed through onto the timeline of its stream.

The rules are those of :mod:`streamctl.engine.timeline`: one offset for everything, a jump of the
source against itself replaces it, and for a while both are valid. Nothing is put in order here,
since the bytes of others are not changed beyond the offset.
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


@dataclass(slots=True)
class ProgramClock:
    """One offset for all streams of a program."""

    offset: int
    lines: dict[int, Line] = field(default_factory=dict)
    old_offset: int | None = None
    old_until: float = 0.0
    jumps: int = 0

    def place(self, key: int, time: int, now: float) -> int:
        """The offset for a time, unwrapped, of the stream that is known by ``key``."""
        ahead = time - now * TIMESCALE
        line = self.lines.get(key)
        if line is None:
            self.lines[key] = Line(time, time + self.offset, 0, now, ahead)
            return self.offset
        step = time - line.source
        if -JUMP <= step <= JUMP:
            if ahead > line.ahead:
                line.ahead = ahead
        elif step < 0 or (step - (now - line.arrival) * TIMESCALE > JUMP < ahead - line.ahead):
            self._jump(line, time, now)
            line.ahead = ahead
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
        self.offset = line.out + (elapsed if elapsed > JUMP else line.step) - time

    def _pick(self, line: Line, time: int, now: float) -> int:
        if now >= self.old_until:
            self.old_offset = None
        return self.near(time, now, line.out + line.step)
