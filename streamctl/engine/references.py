"""The clock references of one epoch of MPEG-TS: which of them pass, and alone or not.

A receiver needs them at most 100 ms apart (ISO/IEC 13818-1 §2.7.2), so those of the program's
clock pass also where the packets around them do not: alone, in packets without payload. Behind
another epoch the first one says that the clock begins anew (§2.4.3.5). By how much they are moved
is told by :class:`~streamctl.engine.programclock.ProgramClock`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import DISCONTINUITY, PACKET_BYTES
from streamctl.media.mpegts.psi import NULL_PID

if TYPE_CHECKING:
    from streamctl.engine.routing import Run
    from streamctl.engine.strand import Strand


class References:
    """Decides about the packets that carry one."""

    def __init__(self, *, anew: bool) -> None:
        self.pid = NULL_PID
        """Where the program's clock is, as its map says; some have one that it denies."""
        self._anew = anew
        """Something else was written before, and none of these has passed yet."""
        self._alone: list[tuple[int, Strand]] = []
        """Rows that pass without their payload, with what they belong to."""

    def passes(self, run: Run, row: int, strand: Strand) -> bool:
        """Whether the clock reference of a packet passes."""
        program = self.pid in {strand.pid, NULL_PID}
        if not strand.open:
            if not program or run.early:
                return False
            strand.slot.fresh = False
            self._alone.append((row, strand))
        if program and self._anew:
            self._anew = False
            run.data[row * PACKET_BYTES + 5] |= DISCONTINUITY
        return True

    def settle(self, run: Run) -> None:
        """Strip those that pass alone, now that it is known which counters stand around them."""
        for row, strand in self._alone:
            run.pass_clock(row, strand.following)
        self._alone.clear()
