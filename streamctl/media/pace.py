"""When media that comes faster than it plays is due: its time against the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Packet

STEP_S = 0.02
"""Whatever is due within one step goes out together: at most 50 wake-ups a second."""
MAX_BURST_S = 1.0
"""A process that was held up catches up by this much; the rest of the delay is kept."""
MAX_AHEAD_S = 10.0
"""The longest hole in media that is played as a pause."""


class Pacer:
    """Maps media time to the clock, beginning with the first that it sees."""

    def __init__(self) -> None:
        self.origin_s: float | None = None
        """The clock's reading at media time 0."""

    def horizon_s(self, media_s: float, now: float) -> float:
        """The media time up to which all is due, where ``media_s`` is what comes next."""
        if self.origin_s is None:
            self.origin_s = now - media_s
        late_s = now - self.origin_s - media_s
        if late_s > MAX_BURST_S:
            self.origin_s += late_s - MAX_BURST_S
        elif late_s < -MAX_AHEAD_S:
            self.origin_s = now - media_s
        return now - self.origin_s + STEP_S

    def due(self, packets: Sequence[Packet], begin: int, now: float) -> int:
        """The index behind the last packet, from ``begin`` on, that is to be sent now."""
        horizon = self.horizon_s(packets[begin].dts / TIMESCALE, now) * TIMESCALE
        for index in range(begin, len(packets)):
            if packets[index].dts > horizon:
                return index
        return len(packets)

    def wait_s(self, media_s: float, now: float) -> float:
        """Seconds until a media time is due."""
        origin_s = now if self.origin_s is None else self.origin_s
        return max(0.0, origin_s + media_s - now)
