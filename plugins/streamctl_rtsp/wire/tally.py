"""How much was sent of several tracks, packed into one number: adding up costs one addition.

Each track has two fields of its own, which can't run over: packets, and the octets of their
payloads.
"""

from __future__ import annotations

from typing import NamedTuple

FIELD_BITS = 64
FIELD = (1 << FIELD_BITS) - 1


class Tally(NamedTuple):
    """What was sent of one track."""

    packets: int
    octets: int
    """Of payloads, without heads and padding (RFC 3550 section 6.4.1)."""

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.packets + other.packets, self.octets + other.octets)

    def minus(self, other: Tally) -> Tally:
        """What is left without the other."""
        return Tally(max(self.packets - other.packets, 0), max(self.octets - other.octets, 0))


NOTHING = Tally(0, 0)


def packed(track: int, packets: int, octets: int) -> int:
    """The number for what was sent of one track."""
    return (packets | octets << FIELD_BITS) << 2 * FIELD_BITS * track


def tally(units: int, track: int) -> Tally:
    """What a number says of one track."""
    units >>= 2 * FIELD_BITS * track
    return Tally(units & FIELD, units >> FIELD_BITS & FIELD)
