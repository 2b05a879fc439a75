"""Conversions between clocks: modular counters to 64-bit time, and one rate to another.

Everything is integer arithmetic on absolute values; nothing is summed, so nothing drifts.
"""

from __future__ import annotations

from fractions import Fraction

from streamctl.media.packet import TIMESCALE

TICKS_PER_MS = TIMESCALE // 1000
NTSC = Fraction(1000, 1001)
"""What the frame rates of the NTSC family lack to a whole number."""
NTSC_TOLERANCE = 0.004
"""Declared rates are rounded to two or three places: 29.97, 23.976, 59.94."""
GRID_TOLERANCE = TICKS_PER_MS
"""A clock of whole milliseconds, rounded or cut off, is this far off at most."""
GRID_PTS_TOLERANCE = 2 * TICKS_PER_MS
"""The same for the sum of a timestamp and an offset, both of whole milliseconds."""


class Unwrapper:
    """Turns the wrapping timestamps of one program into values that never wrap.

    Each value is taken as the one nearest to its predecessor, so the tracks of a program share
    one instance: interleaving, reordering and jumps of less than half the counter's range keep
    their sign, and the wrap counts once for all tracks.
    """

    __slots__ = ("half", "last", "mask")

    def __init__(self, bits: int) -> None:
        self.mask = (1 << bits) - 1
        self.half = 1 << (bits - 1)
        self.last: int | None = None

    def unwrap(self, value: int) -> int:
        """The unwrapped form of ``value``; the first one stands for itself."""
        last = self.last
        if last is None:
            self.last = value & self.mask
        else:
            self.last = last + ((value - last + self.half) & self.mask) - self.half
        return self.last


def rescale(value: int, from_hz: int, to_hz: int) -> int:
    """``value`` on a clock of another rate, rounded to the nearest tick, halves upwards."""
    return (2 * value * to_hz + from_hz) // (2 * from_hz)


def ms_to_ticks(ms: int) -> int:
    """Milliseconds in 90 kHz ticks."""
    return ms * TICKS_PER_MS


def ticks_to_ms(ticks: int) -> int:
    """90 kHz ticks in milliseconds, rounded to the nearest, halves upwards."""
    return (ticks + TICKS_PER_MS // 2) // TICKS_PER_MS


def frame_step(fps: float) -> Fraction:
    """The exact distance of two frames in 90 kHz ticks, for a declared rate; 0 if it is unknown."""
    if fps <= 0:
        return Fraction(0)
    whole = round(fps)
    ntsc = round(fps / NTSC)
    if whole and abs(fps - whole) < NTSC_TOLERANCE:
        rate = Fraction(whole)
    elif ntsc and abs(fps - ntsc * NTSC) < NTSC_TOLERANCE:
        rate = ntsc * NTSC
    else:
        rate = Fraction(fps).limit_denominator(1001)
    return TIMESCALE / rate


class FrameGrid:
    """Puts timestamps of a millisecond clock back where the frames really are.

    A timestamp that lies within a millisecond of a whole number of frames from the grid's anchor
    takes that place; any other becomes the new anchor, so a variable frame rate passes unchanged
    and a wrong one is never off by more than the tolerance.
    """

    __slots__ = ("anchor", "denominator", "last", "numerator")

    def __init__(self, step: Fraction) -> None:
        self.numerator = step.numerator
        """Ticks between two frames, with ``denominator``; 0 = no grid."""
        self.denominator = step.denominator
        self.anchor: int | None = None
        self.last = 0

    def snap(self, raw: int) -> int:
        """A decoding timestamp in its place; never before the last one unless ``raw`` is."""
        placed = self.near(raw, GRID_TOLERANCE)
        if self.anchor is None or placed is None or placed <= self.last:
            self.anchor = placed = raw
        self.last = placed
        return placed

    def near(self, raw: int, tolerance: int = GRID_PTS_TOLERANCE) -> int | None:
        """The place of a timestamp; None if it is not within the tolerance of any."""
        anchor = self.anchor
        if anchor is None or not self.numerator:
            return None
        frames = (2 * (raw - anchor) * self.denominator + self.numerator) // (2 * self.numerator)
        place = anchor + (2 * frames * self.numerator + self.denominator) // (2 * self.denominator)
        return place if -tolerance <= raw - place <= tolerance else None
