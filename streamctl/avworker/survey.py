"""Measures what a source of ours delivers, access unit by access unit: a probe without libav.

The source has read the codecs, so every track is one that can be carried; what it could not read
it has left out, and said so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.avworker.figures import kbps, level_of, start_offset_ms
from streamctl.avworker.findings import judge
from streamctl.avworker.measure import SkewMeter, TrackMeter, VideoMeter
from streamctl.avworker.report import (
    AudioReport,
    ParameterSetReport,
    ProbeReport,
    TrackReport,
    VideoReport,
)
from streamctl.media import codecs
from streamctl.media.packet import TIMESCALE, Media

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl.media.packet import Packet, Track


class Survey:
    """The meters of one source."""

    def __init__(self) -> None:
        self.tracks: dict[int, Track] = {}
        self.meters: dict[int, TrackMeter] = {}
        self.changes: dict[int, int] = {}
        """How often a configuration changed after it was first known, by track."""
        self.skew = SkewMeter()
        self.begin: int | None = None
        self.front = 0

    def announce(self, tracks: Sequence[Track]) -> None:
        """Take what the source says of its tracks, at first and again."""
        for track in tracks:
            known = self.tracks.get(track.id)
            if known is None:
                picture = track.media is Media.VIDEO
                self.meters[track.id] = VideoMeter() if picture else TrackMeter()
                self.changes[track.id] = 0
            elif known.config and track.config and known.config != track.config:
                self.changes[track.id] += 1
            self.tracks[track.id] = track

    def add(self, packets: Iterable[Packet]) -> None:
        """Measure access units."""
        leaders = self.leaders()
        for packet in packets:
            meter = self.meters.get(packet.track)
            if meter is None:
                continue
            meter.add(packet)
            if packet.track in leaders:
                self.skew.add(packet)
            if self.begin is None:
                self.begin = self.front = packet.dts
            self.front = max(self.front, packet.dts + packet.dur)

    def leaders(self) -> set[int]:
        """The first track of each medium."""
        first: dict[Media, int] = {}
        for number in sorted(self.tracks):
            first.setdefault(self.tracks[number].media, number)
        return {number for media, number in first.items() if media is not Media.DATA}

    @property
    def span_s(self) -> float:
        """Media time measured so far."""
        return 0.0 if self.begin is None else (self.front - self.begin) / TIMESCALE

    @property
    def packets(self) -> int:
        """Access units measured so far."""
        return sum(meter.packets for meter in self.meters.values())

    def report(self, target: str, form: str, notes: Sequence[str] = ()) -> ProbeReport:
        """What the meters say."""
        tracks = [self._track(self.tracks[number]) for number in sorted(self.tracks)]
        report = ProbeReport(
            target=target,
            format=form,
            analysed_s=round(self.span_s, 3),
            bitrate_kbps=kbps(sum(meter.bytes for meter in self.meters.values()), self.span_s),
            tracks=tracks,
            av_start_offset_ms=start_offset_ms(tracks),
            interleave_skew_ms=round(self.skew.largest * 1000 / TIMESCALE, 1),
            notes=list(notes),
        )
        return report.model_copy(update={"findings": judge(report)})

    def _track(self, announced: Track) -> TrackReport:
        track, meter = codecs.complete(announced), self.meters[announced.id]
        span_s = meter.span / TIMESCALE
        name = codecs.codec_string(track)
        return TrackReport(
            id=track.id,
            media=track.media.value,
            codec=track.codec.value,
            carried=True,
            codec_string=name,
            level=level_of(name),
            language=track.language,
            bitrate_kbps=kbps(meter.bytes, span_s),
            packets=meter.packets,
            duration_s=round(span_s, 3),
            corrupt=meter.corrupt,
            video=picture(track, meter),
            audio=sound(track),
            timestamps=meter.timestamps(),
            parameter_sets=ParameterSetReport(
                present=track.config is not None, changes=self.changes[track.id]
            ),
        )


def picture(track: Track, meter: TrackMeter) -> VideoReport | None:
    """The measured pictures, with what the configuration declares."""
    if not isinstance(meter, VideoMeter):
        return None
    declared = {"width": track.width, "height": track.height, "fps_declared": round(track.fps, 3)}
    return meter.video().model_copy(update=declared)


def sound(track: Track) -> AudioReport | None:
    """What the configuration declares of a sound."""
    if track.media is not Media.AUDIO:
        return None
    return AudioReport(sample_rate=track.sample_rate, channels=track.channels)
