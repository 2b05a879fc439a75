"""Keeps the promise of a sound track: where none comes, silence does.

Players that were told of sound stop when it stays away, although pictures come, and so do the
services that streams are pushed to. A track that falls silent, or that the next input does not
have, goes on with frames of silence of the same configuration, up to where the pictures are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Flag, Kind, Media, Packet
from streamctl.media.silence import silent_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.engine.graph import Graph
    from streamctl.engine.meter import Meter
    from streamctl.engine.timeline import Timeline
    from streamctl.media.packet import Init, Track
    from streamctl.media.silence import SilentUnit

SILENT_S = 1.0
"""Sound that has not come for this long is missing: longer than any multiplexer lets it wait."""
PROMISED_S = 30.0
"""What was promised is forgotten when nothing has been on air for this long."""
BURST = 200
"""Frames that are made at once at most: some 4 s, when pictures were held up."""


class Silence:
    """Stands in for one track of sound, of which frames may come or not."""

    def __init__(self, track: Track, unit: SilentUnit, now: float, *, own: bool) -> None:
        self.track = track
        self.own = own
        """The source has the track."""
        self.filling = False
        self._frame = unit.length
        self._data = unit.data
        self._heard = 0
        self._heard_at = now if own else now - SILENT_S
        self._anchor = 0
        self._made = 0

    def go_on(self, before: Silence) -> None:
        """Take the place of other silence, whose end no sound may precede."""
        if before.filling:
            self.filling = True
            self._anchor = before.end

    @property
    def end(self) -> int:
        """Where the silence made so far ends."""
        return self._anchor + round(self._made * self._frame)

    def tend(
        self, packets: list[Packet], now: float, timeline: Timeline, meters: Mapping[int, Meter]
    ) -> list[Packet]:
        """The packets with silence behind them, if any is missing, and without what overlaps it."""
        meter = meters.get(self.track.id) if self.own else None
        if meter is not None and meter.items != self._heard:
            self._heard, self._heard_at = meter.items, now
            if self.filling:
                packets = self._give_way(packets)
        elif now - self._heard_at >= SILENT_S and self._lacks(timeline):
            made = self._make(timeline, packets[-1].epoch if packets else 0)
            timeline.emitted(made)
            return packets + made
        return packets

    def _lacks(self, timeline: Timeline) -> bool:
        """Whether it is sound that stays away: where all was held up, pictures may come first."""
        late = timeline.video_end - timeline.audio_end
        return late > 0 if self.filling or not self.own else late >= SILENT_S * TIMESCALE

    def _give_way(self, packets: list[Packet]) -> list[Packet]:
        number, end = self.track.id, self.end
        kept = [one for one in packets if one.track != number or one.dts >= end]
        self.filling = not any(one.track == number for one in kept)
        return kept

    def _make(self, timeline: Timeline, epoch: int) -> list[Packet]:
        until = timeline.video_end
        if not self.filling:
            self.filling = True
            late = until - round(SILENT_S * 2 * TIMESCALE)
            self._anchor, self._made = max(timeline.audio_end, late), 0
        out: list[Packet] = []
        while len(out) < BURST and self.end + self._frame <= until:
            at = self.end
            self._made += 1
            flags = int(Flag.SYNTHETIC)
            dur = self.end - at
            packet = Packet(self.track.id, at, at, Kind.AUDIO, flags, self._data, dur, epoch)
            out.append(packet)
        return out


def stand_in(
    track: Track, now: float, *, own: bool, before: Silence | None = None
) -> Silence | None:
    """What can stand in for a track, perhaps after other silence; None if nothing can."""
    unit = silent_unit(track)
    if unit is None:
        return None
    if before is not None and (before.track, before.own) == (track, own):
        return before
    silence = Silence(track, unit, now, own=own)
    if before is not None:
        silence.go_on(before)
    return silence


def missing_sound(graph: Graph, tracks: Sequence[Track], outage_s: float) -> Track | None:
    """The sound that viewers were told of and that these tracks lack, as one more of them."""
    missing = promised(graph.base.init, tracks)
    if missing is None or outage_s > PROMISED_S:
        return None
    return replace(missing, id=1 + max(track.id for track in tracks))


def promised(before: Init | None, tracks: Sequence[Track]) -> Track | None:
    """The sound that viewers were told of and that these tracks lack."""
    if before is None or not any(track.media is Media.VIDEO for track in tracks):
        return None
    if any(track.media is Media.AUDIO for track in tracks):
        return None
    return before.first(Media.AUDIO)
