"""Conversions between clocks: modular counters to 64-bit time, and one rate to another.

Everything is integer arithmetic on absolute values; nothing is summed, so nothing drifts.
"""

from __future__ import annotations

from streamctl.media.packet import TIMESCALE

TICKS_PER_MS = TIMESCALE // 1000


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
