"""The splice: where a new epoch begins on each track.

Video starts at the first random-access point, without the leading pictures that refer before
it, so that the point is a closed one; audio at its first access unit that does not overlap what
was emitted. What arrives before that point is held, bounded in time and number; an input whose
promised video shows no picture starts with its audio alone.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl.engine.timeline import EpochClock, Timeline
from streamctl.media import hevc
from streamctl.media.packet import Codec, Flag, Kind, Media, Packet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamctl.media.packet import Track

PICTURE_WAIT_S = 3.0
"""An input with video starts without it after this time."""
NO_LEADING = -(1 << 62)
"""Below every timestamp: no picture leads any more once a second random-access point came."""
HOLD_PACKETS = 3000
"""Held audio and data before the first picture: a minute at most, a few MB."""
HOLD_BYTES = 8_388_608
"""Payload of what is held: a minute at 1 Mbit/s, whatever the size that a peer gives a frame."""


class Splice:
    """Decides, for one epoch, where each track begins; then maps every packet."""

    def __init__(
        self, timeline: Timeline, *, has_video: bool, tracks: Iterable[Track] = ()
    ) -> None:
        self.timeline = timeline
        self.has_video = has_video
        self.hevc = frozenset(track.id for track in tracks if track.codec is Codec.HEVC)
        """Tracks whose decoders must be told that another encoder begins."""
        self.clock: EpochClock | None = None
        """None until the epoch has begun."""
        self.dropped = 0
        """Packets before the start of their track, and leading pictures."""
        self._held: deque[Packet] = deque()
        self._held_bytes = 0
        self._first_arrival: float | None = None
        self._raps: dict[int, int] = {}
        """Start of each video track: what is shown before leads it."""
        self._audio_from = 0
        """End of the audio that was emitted before this epoch; it holds for every track."""
        self._audio_open: set[int] = set()

    @property
    def held(self) -> int:
        """Packets that wait for the start to be known."""
        return len(self._held)

    def feed(self, packets: list[Packet], now: float, begin: Callable[[], None]) -> list[Packet]:
        """The packets to emit, on the timeline; ``begin`` is called once before the first."""
        if self.clock is None:
            packets = self._hold(packets, now)
            if not packets:
                return []
            begin()
        clock = self.clock
        assert clock is not None
        packets = [packet for packet in packets if self._starts(packet)]
        clock.map(packets, now)
        out = [p for p in packets if p.kind is not Kind.AUDIO or self._audio_starts(p)]
        self.timeline.emitted(out)
        return out

    def settled(self, tracks: Iterable[Track]) -> bool:
        """Whether every one of these tracks has started and none has leading pictures left.

        From then on packets only need :meth:`EpochClock.map` and :meth:`Timeline.emitted`.
        """
        if self.clock is None:
            return False
        for track in tracks:
            if track.id not in self.clock.tracks:
                return False
            if track.media is Media.VIDEO and self._raps.get(track.id) != NO_LEADING:
                return False
            if track.media is Media.AUDIO and track.id not in self._audio_open:
                return False
        return True

    def _hold(self, packets: list[Packet], now: float) -> list[Packet]:
        """Collect until the start is known; then everything held, in order."""
        if self._first_arrival is None:
            self._first_arrival = now
        for position, packet in enumerate(packets):
            video = packet.kind in (Kind.KEY, Kind.P, Kind.B)
            if packet.kind is Kind.KEY or (not self.has_video and not video):
                self._begin(packet, now, video=video)
            elif not video and now - self._first_arrival >= PICTURE_WAIT_S:
                # Anchored at the packet of now: what was held stays where it arrived.
                self._begin(packet, now, video=False)
            if self.clock is not None:
                held, self._held = self._held, deque()
                return [*held, *packets[position:]]
            if video:
                self.dropped += 1
            else:
                self._held.append(packet)
                self._held_bytes += len(packet.data)
        while len(self._held) > HOLD_PACKETS or self._held_bytes > HOLD_BYTES:
            self._held_bytes -= len(self._held.popleft().data)
            self.dropped += 1
        return []

    def _begin(self, packet: Packet, now: float, *, video: bool) -> None:
        offset = self.timeline.offset_for(pts=packet.pts, dts=packet.dts, now=now, video=video)
        self.clock = EpochClock(offset)
        self._audio_from = self.timeline.audio_end

    def _starts(self, packet: Packet) -> bool:
        """Whether a video packet is at or behind the start of its track."""
        if packet.kind is Kind.AUDIO or packet.kind is Kind.DATA:
            return True
        rap = self._raps.get(packet.track)
        if rap is None:
            if packet.kind is not Kind.KEY:
                self.dropped += 1
                return False
            self._raps[packet.track] = packet.pts
            self._close(packet)
            return True
        if packet.kind is Kind.KEY:
            rap = self._raps[packet.track] = NO_LEADING
        if packet.pts < rap:
            self.dropped += 1
            return False
        return True

    def _close(self, packet: Packet) -> None:
        """Make an open random-access point one that nothing leads."""
        if packet.flags & Flag.OPEN_GOP:
            packet.flags &= ~Flag.OPEN_GOP
            if packet.track in self.hevc:
                packet.data = hevc.broken_link(packet.data)

    def _audio_starts(self, packet: Packet) -> bool:
        if packet.track in self._audio_open:
            return True
        if packet.pts < self._audio_from:
            self.dropped += 1
            return False
        self._audio_open.add(packet.track)
        return True
