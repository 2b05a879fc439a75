"""The timeline of a stream and the clock that maps one epoch onto it.

Theory of operation: the timeline is the single owner of a stream's time. It runs in 90 kHz
ticks from ``ORIGIN``, and its *wall position* moves with the monotonic clock. An epoch has one
offset for all its tracks: ``out = in + offset``. The offset is chosen once, at the splice, so
that nothing steps back behind what was emitted and an outage stays a gap of its true length.
Lateness is never corrected: a stall that is followed by its burst changes nothing. Only a jump
of the source against its own previous timestamps replaces the offset, for the whole program;
for a while both offsets stay valid and a packet takes the one nearer its track's expected time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Packet

ORIGIN = 10 * TIMESCALE
"""Where a timeline starts: room for everything that is derived as ``time - lead``."""
JUMP = 2 * TIMESCALE
"""A step of the source's own timestamps against their arrival that is more than this is a jump."""
BOTH_VALID_S = 2.0
"""How long the old offset stays usable after a jump, for interleaved late packets."""


class Timeline:
    """Where a stream's output stands, across epochs."""

    def __init__(self, now: float) -> None:
        self.started = now
        self.video_end = ORIGIN
        """End of the last video access unit emitted (presentation), 90 kHz."""
        self.audio_end = ORIGIN
        """End of the last audio access unit emitted, 90 kHz."""
        self.last_dts = ORIGIN - 1
        """Highest DTS emitted on any track, 90 kHz."""

    def wall(self, now: float) -> int:
        """The timeline's position at the monotonic time ``now``, 90 kHz."""
        return ORIGIN + round((now - self.started) * TIMESCALE)

    def offset_for(self, *, pts: int, dts: int, now: float, video: bool) -> int:
        """The offset of an epoch whose first access unit has these timestamps.

        The mapped DTS follows everything emitted, the mapped PTS the end of its medium, and
        both are never earlier than the wall position.
        """
        end = self.video_end if video else self.audio_end
        return max(end - pts, self.last_dts + 1 - dts, self.wall(now) - dts)

    def emitted(self, packet: Packet) -> None:
        """Note a packet that went out."""
        end = packet.pts + packet.dur
        if packet.kind is Kind.AUDIO:
            self.audio_end = max(self.audio_end, end)
        elif packet.kind is not Kind.DATA:
            self.video_end = max(self.video_end, end)
        self.last_dts = max(self.last_dts, packet.dts)


@dataclass(slots=True)
class TrackClock:
    """The last timestamps of one track."""

    source_dts: int
    """Last DTS as the source said it."""
    out_dts: int
    """Last DTS on the timeline."""
    step: int
    """Last plausible distance between two access units, 90 kHz."""
    arrival: float


@dataclass(slots=True)
class EpochClock:
    """Maps the packets of one epoch; one offset for all tracks."""

    offset: int
    tracks: dict[int, TrackClock] = field(default_factory=dict)
    old_offset: int | None = None
    old_until: float = 0.0
    ahead: float | None = None
    """The furthest that media has ever been ahead of its arrival, in ticks."""
    jumps: int = 0
    disordered: int = 0
    """Packets whose DTS did not rise and was moved by a tick."""

    def map(self, packets: Iterable[Packet], now: float) -> None:
        """Move packets onto the timeline, in place; DTS rises strictly per track."""
        for packet in packets:
            clock = self.tracks.get(packet.track)
            if clock is None:
                self._first(packet, now)
                continue
            step = packet.dts - clock.source_dts
            if self._jumped(step, packet.dts, now - clock.arrival, now):
                self._jump(packet, clock, now)
            offset = self._pick(packet, clock, now)
            clock.source_dts = packet.dts
            clock.arrival = now
            if 0 < step < JUMP:
                clock.step = step
            packet.pts += offset
            packet.dts += offset
            if packet.dts <= clock.out_dts:
                self.disordered += 1
                packet.dts = clock.out_dts + 1
                packet.pts = max(packet.pts, packet.dts)
            if not packet.dur:
                packet.dur = clock.step
            clock.out_dts = packet.dts

    def _first(self, packet: Packet, now: float) -> None:
        self._note_ahead(packet.dts, now)
        self.tracks[packet.track] = TrackClock(
            packet.dts, packet.dts + self.offset, packet.dur, now
        )
        packet.pts += self.offset
        packet.dts += self.offset

    def _jumped(self, step: int, dts: int, elapsed_s: float, now: float) -> bool:
        if -JUMP <= step <= JUMP:
            self._note_ahead(dts, now)
            return False
        if step > 0:
            ahead = dts - now * TIMESCALE
            known = self.ahead if self.ahead is not None else ahead
            return step - elapsed_s * TIMESCALE > JUMP and ahead - known > JUMP
        return True

    def _note_ahead(self, dts: int, now: float) -> None:
        ahead = dts - now * TIMESCALE
        if self.ahead is None or ahead > self.ahead:
            self.ahead = ahead

    def _jump(self, packet: Packet, clock: TrackClock, now: float) -> None:
        if self.old_offset is not None and now < self.old_until:
            nearer = abs(packet.dts + self.old_offset - clock.out_dts)
            if min(nearer, abs(packet.dts + self.offset - clock.out_dts)) <= JUMP:
                return
        self.jumps += 1
        self.old_offset, self.old_until = self.offset, now + BOTH_VALID_S
        elapsed = round((now - clock.arrival) * TIMESCALE)
        self.offset = clock.out_dts + (elapsed if elapsed > JUMP else clock.step) - packet.dts
        self.ahead = None
        self._note_ahead(packet.dts, now)

    def _pick(self, packet: Packet, clock: TrackClock, now: float) -> int:
        if self.old_offset is None:
            return self.offset
        if now >= self.old_until:
            self.old_offset = None
            return self.offset
        expected = clock.out_dts + clock.step - packet.dts
        return min(self.offset, self.old_offset, key=lambda offset: abs(offset - expected))
