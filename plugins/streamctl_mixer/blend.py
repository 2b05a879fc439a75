"""Puts the sound of one clock to the pictures of another; sans-IO.

Theory of operation: how far the media of a clock is *ahead* of its arrival tells that clock
against ours; the most that it was ahead within a moment is free of the lateness of single
packets. A moment is short, since a slow clock is noticed only when it has passed; media that
comes in bursts has longer ones, as the end of a burst tells, not its beginning. The difference
between the two streams is what the sound has to be moved by. It is followed little by little:
within :data:`NEAR` so slowly that nobody hears it, beyond so fast that it keeps up with a clock
that is wrong by a quarter; what is further away than :data:`FAR` is a jump, after which sound
that would come twice is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Packet

if TYPE_CHECKING:
    from collections.abc import Sequence

MOMENT_S = 0.2
"""The most of this long, and of the moment before, counts."""
LONGEST_S = 4.0
"""The longest moment: that of media that comes every two seconds."""
FORGET_S = 10.0
"""Longer moments become shorter again over this time when nothing comes in bursts any more."""
NEAR = 0.04 * TIMESCALE
FAR = 1.0 * TIMESCALE
CALM_S = 10.0
"""What is near is made good over this long."""
URGENT_S = 0.25
"""What is beyond is made good over this long."""
FIRST_SOUND = 1
"""The number of the track that leads all sound; pictures are 0."""
FASTEST = 0.25
"""Of the time that passes, at most so much is added or taken."""


class Lead:
    """How far the media of one stream is ahead of its arrival, in ticks."""

    def __init__(self) -> None:
        self.value = -math.inf
        self._latest = -math.inf
        self._before = -math.inf
        self._since = -math.inf
        self._noted = math.inf
        self._moment = MOMENT_S

    @property
    def known(self) -> bool:
        """Whether anything has come."""
        return self.value > -math.inf

    def note(self, packets: Sequence[Packet], now: float) -> None:
        """These came now."""
        gap = max(0.0, now - self._noted)
        self._noted = now
        calm = self._moment - (self._moment - MOMENT_S) * min(1.0, gap / FORGET_S)
        self._moment = min(LONGEST_S, max(calm, 2 * gap))
        if now - self._since >= self._moment:
            recent = now - self._since < 2 * self._moment
            self._before = self._latest if recent else -math.inf
            self._latest, self._since = -math.inf, now
        newest = max(packet.dts for packet in packets) - now * TIMESCALE
        self._latest = max(self._latest, newest)
        self.value = max(self._latest, self._before)


class Blend:
    """One mix of pictures and sound."""

    def __init__(self) -> None:
        self.pictures = Lead()
        self.sound = Lead()
        self.shift = 0.0
        """What is added to the times of the sound."""
        self.jumps = 0
        self.dropped = 0
        """Packets of sound that would have come twice, or before the first picture."""
        self._first: int | None = None
        """When the first picture is shown."""
        self._placed = False
        self._last_in: dict[int, int] = {}
        self._last_out: dict[int, int] = {}

    def renew_sound(self) -> None:
        """The sound comes of another run of its stream."""
        self.sound = Lead()
        self._placed = False
        self._last_in.clear()

    def video(self, packets: Sequence[Packet], now: float) -> list[Packet]:
        """Pictures as they are to be written."""
        if not packets:
            return []
        self.pictures.note(packets, now)
        if self._first is None:
            self._first = packets[0].pts
        return [renumbered(packet, 0) for packet in packets]

    def audio(self, packets: Sequence[Packet], now: float, numbers: dict[int, int]) -> list[Packet]:
        """Sound as it is to be written; ``numbers`` are the new ones of its tracks."""
        packets = [packet for packet in packets if packet.track in numbers]
        if not packets or self._first is None:
            self.dropped += len(packets)
            return []
        self.sound.note(packets, now)
        target = self.pictures.value - self.sound.value
        if not self._placed or abs(target - self.shift) > FAR:
            self.jumps += self._placed
            self._placed, self.shift = True, target
        out = []
        for packet in packets:
            moved = renumbered(packet, numbers[packet.track])
            if moved.track == FIRST_SOUND:
                self._approach(target, packet)
            moved.pts += round(self.shift)
            moved.dts += round(self.shift)
            if moved.dts <= self._last_out.get(moved.track, self._first - 1):
                self.dropped += 1
                continue
            self._last_out[moved.track] = moved.dts
            out.append(moved)
        return out

    def _approach(self, target: float, packet: Packet) -> None:
        """Go a little of the way, by the time that the packet moves on."""
        passed = packet.dts - self._last_in.get(packet.track, packet.dts)
        self._last_in[packet.track] = packet.dts
        if not 0 < passed < FAR:
            return
        error = target - self.shift
        gentle = min(abs(error), NEAR) / (CALM_S * TIMESCALE)
        urgent = max(0.0, abs(error) - NEAR) / (URGENT_S * TIMESCALE)
        step = passed * min(FASTEST, gentle + urgent)
        self.shift += math.copysign(min(step, abs(error)), error)


def renumbered(packet: Packet, track: int) -> Packet:
    """A packet of its own with the same bytes, of another track."""
    return Packet(track, packet.pts, packet.dts, packet.kind, packet.flags, packet.data, packet.dur)
