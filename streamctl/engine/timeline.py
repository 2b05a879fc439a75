"""The timeline of a stream and the clock that maps one epoch onto it.

Theory of operation: the timeline is the single owner of a stream's time. It runs in 90 kHz
ticks from ``ORIGIN``, and its *wall position* moves with the monotonic clock. An epoch has one
offset for all its tracks: ``out = in + offset``. The offset is chosen once, at the splice, so
that nothing steps back behind what was emitted and an outage stays a gap of its true length.
Lateness is never corrected: a stall that is followed by its burst changes nothing. Only a jump
of the source against its own previous timestamps replaces the offset, for the whole program;
for a while both offsets stay valid and a packet takes the one nearer its track's expected time.
A track that has not followed by then goes on alone; one that comes back had wrong times only.
The wall position follows media that is behind for good, as it is when the source's clock is slower
than ours: by half a minute in a week, which the next epoch would take for an outage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Packet

# Looking a member up in its enum costs as much as a call.
AUDIO, DATA = Kind.AUDIO, Kind.DATA
ORIGIN = 10 * TIMESCALE
"""Where a timeline starts: room for everything that is derived as ``time - lead``."""
JUMP = 2 * TIMESCALE
"""A step of the source's own timestamps against their arrival that is more than this is a jump."""
DISORDER_STEP = TIMESCALE // 1000
"""How far a packet is moved behind one that it should not precede: a step that still is one on
the coarsest clock of an output, the milliseconds of RTMP."""
REORDER_MAX = 10 * TIMESCALE
"""Sixteen pictures at two a second: one that is shown longer after it is decoded has a damaged
time, which all that follows would have to wait for."""
BEHIND = TIMESCALE
"""The media of a source that is in time may be so much behind the wall position."""
LOOKS = 60
"""About once a second: few stalls that are made good last longer."""
FADES = TIMESCALE / 1000
"""By this much in a second it is forgotten how far media was ahead once: faster than bad clocks
drift apart, and so slowly that it outlasts every stall."""
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
        self.sound_ends: dict[int, int] = {}
        """The same of each stream of sound in MPEG-TS, by its PID in the lane; empty once
        something else was written."""
        self.whole = False
        """The epoch before ended between two pictures."""
        self.last_dts = ORIGIN - 1
        """Highest DTS emitted on any track, 90 kHz."""
        self._looked = self.last_dts
        self._looks = 0
        """How often something had come since the look before."""
        self._least = math.inf
        """How far media was behind the wall position at least, in ticks."""

    def wall(self, now: float) -> int:
        """The timeline's position at the monotonic time ``now``, 90 kHz."""
        return ORIGIN + round((now - self.started) * TIMESCALE)

    def outage_s(self, now: float) -> float:
        """How long nothing has been emitted, by the wall position."""
        return (self.wall(now) - max(self.video_end, self.audio_end)) / TIMESCALE

    def offset_for(self, *, pts: int, dts: int, now: float, video: bool) -> int:
        """The offset of an epoch whose first access unit has these timestamps.

        The mapped DTS follows everything emitted, the mapped PTS the end of its medium, and
        both are never earlier than the wall position.
        """
        end = self.video_end if video else self.audio_end
        return max(end - pts, self.last_dts + 1 - dts, self.wall(now) - dts)

    def keep_up(self, now: float) -> None:
        """Look whether media is behind for good; called about once a second."""
        if self.last_dts == self._looked:
            return
        self._looked = self.last_dts
        self._looks += 1
        self._least = min(self._least, self.wall(now) - self.last_dts)
        if self._looks == LOOKS:
            if self._least > BEHIND:
                self.started += self._least / TIMESCALE
            self._looks, self._least = 0, math.inf

    def emitted(self, packets: Sequence[Packet]) -> None:
        """Note packets that go out."""
        for packet in packets:
            end = packet.pts + packet.dur
            kind = packet.kind
            if kind is AUDIO:
                if end > self.audio_end:
                    self.audio_end = end
            elif kind is not DATA and end > self.video_end:
                self.video_end = end
            if packet.dts > self.last_dts:
                self.last_dts = packet.dts

    def passed(self, end: int, dts: int, *, video: bool) -> None:
        """Note a unit that was passed through."""
        if video:
            self.video_end = max(self.video_end, end)
        else:
            self.audio_end = max(self.audio_end, end)
        self.last_dts = max(self.last_dts, dts)


@dataclass(slots=True)
class TrackClock:
    """The last timestamps of one track."""

    source_dts: int
    """Last DTS as the source said it, shifted."""
    out_dts: int
    """Last DTS on the timeline."""
    step: int
    """Last plausible distance between two access units, 90 kHz."""
    arrival: float
    shift: int = 0
    """What has to be added to the track's times since it jumped alone, or did not with others."""


@dataclass(slots=True)
class EpochClock:
    """Maps the packets of one epoch; one offset for all tracks."""

    offset: int
    tracks: dict[int, TrackClock] = field(default_factory=dict)
    old_offset: int | None = None
    old_until: float = 0.0
    ahead: float = -math.inf
    """The furthest that media has been ahead of its arrival, in ticks."""
    seen_at: float = 0.0
    jumps: int = 0
    disordered: int = 0
    """Packets whose DTS did not rise and was moved by :data:`DISORDER_STEP`."""

    def map(self, packets: Sequence[Packet], now: float) -> None:
        """Move packets onto the timeline, in place; DTS rises strictly per track."""
        arrival = now * TIMESCALE
        self._pass(now)
        for packet in packets:
            clock = self.tracks.get(packet.track)
            if clock is None:
                self._first(packet, now)
                continue
            shift = clock.shift
            dts = packet.dts + shift
            step = dts - clock.source_dts
            if -JUMP <= step <= JUMP:
                ahead = dts - arrival
                if ahead > self.ahead:
                    self.ahead = ahead
            elif not self._joins(dts, clock, now) and self._jumped(
                step, dts, now - clock.arrival, now
            ):
                self._jump(dts, clock, now)
            offset = self.offset if self.old_offset is None else self._pick(dts, clock)
            clock.source_dts = dts
            clock.arrival = now
            packet.pts += offset + shift
            dts += offset
            # On the timeline: behind a packet that ran back the source's own step is long.
            step = dts - clock.out_dts
            if step <= 0:
                self.disordered += 1
                dts = clock.out_dts + DISORDER_STEP
                packet.pts = max(packet.pts, dts)
            elif step < JUMP:
                clock.step = step
            if packet.pts - dts > REORDER_MAX:
                packet.pts = dts
            packet.dts = clock.out_dts = dts
            if not packet.dur:
                packet.dur = clock.step

    def _pass(self, now: float) -> None:
        """Note that time has passed."""
        self.ahead -= (now - self.seen_at) * FADES
        self.seen_at = now
        if self.old_offset is not None and now >= self.old_until:
            self._settle(self.old_offset)

    def _first(self, packet: Packet, now: float) -> None:
        self.ahead = max(self.ahead, packet.dts - now * TIMESCALE)
        self.tracks[packet.track] = TrackClock(
            packet.dts, packet.dts + self.offset, packet.dur, now
        )
        packet.pts += self.offset
        packet.dts += self.offset
        if packet.pts - packet.dts > REORDER_MAX:
            packet.pts = packet.dts

    def _jumped(self, step: int, dts: int, elapsed_s: float, now: float) -> bool:
        """Whether a long step is a jump: back always, forward only if it outruns the clock."""
        if step < 0:
            return True
        ahead = dts - now * TIMESCALE
        return step - elapsed_s * TIMESCALE > JUMP and ahead - self.ahead > JUMP

    def _joins(self, dts: int, clock: TrackClock, now: float) -> bool:
        """Whether a track goes over to an offset that is valid, be it that of before the jump."""
        if self.old_offset is None:
            return False
        to_old = abs(dts + self.old_offset - clock.out_dts)
        to_new = abs(dts + self.offset - clock.out_dts)
        if min(to_old, to_new) > JUMP:
            return False
        if to_old < to_new:
            # It has jumped itself, and comes back: its times were wrong for a moment.
            self.offset, self.old_offset = self.old_offset, self.offset
        self.ahead = dts - now * TIMESCALE
        return True

    def _jump(self, dts: int, clock: TrackClock, now: float) -> None:
        self.jumps += 1
        self.old_offset, self.old_until = self.offset, now + BOTH_VALID_S
        elapsed = round((now - clock.arrival) * TIMESCALE)
        self.offset = clock.out_dts + (elapsed if elapsed > JUMP else clock.step) - dts
        self.ahead = dts - now * TIMESCALE

    def _pick(self, dts: int, clock: TrackClock) -> int:
        """The offset that puts a time nearer to what is expected of its track."""
        assert self.old_offset is not None
        expected = clock.out_dts + clock.step - dts
        return min(self.offset, self.old_offset, key=lambda offset: abs(offset - expected))

    def _settle(self, old_offset: int) -> None:
        """Go on with the new offset alone; tracks that still need the old one keep it."""
        self.old_offset = None
        for clock in self.tracks.values():
            stays = abs(clock.source_dts + old_offset - clock.out_dts) <= JUMP
            goes = abs(clock.source_dts + self.offset - clock.out_dts) <= JUMP
            if stays and not goes and clock.arrival > self.old_until - BOTH_VALID_S:
                clock.shift += old_offset - self.offset
                clock.source_dts += old_offset - self.offset
        arrivals = [one.source_dts - one.arrival * TIMESCALE for one in self.tracks.values()]
        self.ahead = max(arrivals, default=self.ahead)
