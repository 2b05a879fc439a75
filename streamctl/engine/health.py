"""Measures what one input delivers, and says what is wrong with it.

Counters are read a few times a second and never touched per packet: what has risen since the last
look happened at about that time. Rates are an exponentially weighted average, loss is that of a
window. What counts as wrong is configured; silence is judged by :mod:`streamctl.engine.failover`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

RATE_S = 3.0
"""Time constant of the bit rate."""
LOSS_S = 10.0
"""Loss is told of this time."""
GRACE_S = 3.0
"""How long an input may take to come up to its bit rate."""
ERRORS = 5
"""Length of the history of errors."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond what an input counts as degraded; 0 = does not matter."""

    no_frames_s: float = 0.0
    """Seconds without a picture while other bytes flow."""
    min_kbps: float = 0.0
    max_loss_pct: float = 0.0
    no_keyframe_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What an input has counted since its attempt began."""

    bytes: int = 0
    frames: int = 0
    """Pictures."""
    keys: int = 0
    """Random-access points."""
    lost: int = 0
    came: int = 0
    """Packets of the kind that ``lost`` are."""
    has_video: bool = False


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong; empty words = nothing."""

    words: str = ""
    dead: bool = False
    """There are no pictures at all."""


SOUND = Complaint()


class Health:
    """The measurements of one input."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=ERRORS)
        """The newest last; forgotten when the input works again."""
        self.kbps = 0.0
        self.fps = 0.0
        self.frame_at: float | None = None
        """When a picture came last; None = none has in this attempt."""
        self.key_at: float | None = None
        self._began = 0.0
        self._at = 0.0
        self._last = Reading()
        self._window: deque[tuple[float, int, int]] = deque()

    @property
    def loss_pct(self) -> float:
        """Packets that are missing, of all that were sent in the last seconds."""
        if len(self._window) < 2:
            return 0.0
        (_, lost, came), (_, lost_now, came_now) = self._window[0], self._window[-1]
        sent = lost_now - lost + came_now - came
        return 100 * (lost_now - lost) / sent if sent > 0 else 0.0

    def begin(self, now: float) -> None:
        """A new attempt: the counters begin at zero."""
        self.kbps = self.fps = 0.0
        self.frame_at = self.key_at = None
        self._began = self._at = now
        self._last = Reading()
        self._window.clear()
        self._window.append((now, 0, 0))

    def paused(self, seconds: float) -> None:
        """Nothing could come for so long, since the process did not run."""
        self._began += seconds
        self._at += seconds
        if self.frame_at is not None:
            self.frame_at += seconds
        if self.key_at is not None:
            self.key_at += seconds

    def failed(self, error: str) -> None:
        """Remember an error, unless it is the last one again."""
        if not self.errors or self.errors[-1] != error:
            self.errors.append(error)

    def recovered(self) -> None:
        """The input works: what was wrong is of no interest any more."""
        self.errors.clear()

    def sample(self, reading: Reading, now: float) -> None:
        """Look at the counters; they may have begun anew."""
        last, elapsed = self._last, now - self._at
        if elapsed <= 0:
            return
        share = 1 - math.exp(-elapsed / RATE_S)
        bits = max(0, reading.bytes - last.bytes) * 8 / 1000 / elapsed
        frames = max(0, reading.frames - last.frames)
        self.kbps += (bits - self.kbps) * share
        self.fps += (frames / elapsed - self.fps) * share
        if frames:
            self.frame_at = now
        if reading.keys != last.keys:
            self.key_at = now
        window = self._window
        if reading.came < last.came or reading.lost < last.lost:
            window.clear()
        window.append((now, reading.lost, reading.came))
        while len(window) > 2 and window[1][0] <= now - LOSS_S:
            window.popleft()
        self._last, self._at = reading, now

    def judge(self, limits: Limits, now: float) -> Complaint:
        """What is wrong, given what is tolerated."""
        if self._last.has_video:
            still = now - (self._began if self.frame_at is None else self.frame_at)
            if limits.no_frames_s and still >= limits.no_frames_s:
                return Complaint(f"no frames for {still:.0f} s", dead=True)
            keyless = now - (self._began if self.key_at is None else self.key_at)
            if limits.no_keyframe_s and keyless >= limits.no_keyframe_s:
                return Complaint(f"no keyframe for {keyless:.0f} s")
        if now - self._began < GRACE_S + RATE_S:
            return SOUND
        if self.kbps < limits.min_kbps:
            return Complaint(f"{self.kbps:.0f} kbit/s, less than {limits.min_kbps:g}")
        if limits.max_loss_pct and self.loss_pct > limits.max_loss_pct:
            return Complaint(f"{self.loss_pct:.1f} % lost, more than {limits.max_loss_pct:g}")
        return SOUND
