"""The probe job: read a source for a while and report what was measured.

All audio and video tracks are measured, those that streamctl can't carry too, so that the
report says what there is and the findings say what to change.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from av.video.stream import VideoStream

from streamctl.avworker.container import codec_name, context_of, open_file, open_url, quiet
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
from streamctl.avworker.source import Source
from streamctl.avworker.wire import ProbeJob, Record, RecordType
from streamctl.errors import MediaError
from streamctl.media import codecs
from streamctl.media.packet import TIMESCALE
from streamctl.media.reader import CODECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.stream import Stream

    from streamctl.avworker.elementary import Reader
    from streamctl.media.packet import Packet

OPEN_SHARE = 0.25
"""Share of the time-out that libav may take to connect, and again to find the tracks."""
WRAP_BITS = 33
HDR = {16: "pq", 18: "hlg"}
"""Transfer characteristics of high dynamic range (ITU-T H.273, table 3)."""
MEASURED = frozenset({"video", "audio"})


def probe(job: ProbeJob, send: Callable[[Record], None]) -> None:
    """Run the job.

    Raises:
        MediaError: unreadable, or nothing in it could be read.
        ConnectionFailed: the source can't be reached.
    """
    quiet()
    deadline = time.monotonic() + job.timeout_s * (1 - OPEN_SHARE)
    if job.network:
        container = open_url(job.target, job.shown, job.timeout_s * OPEN_SHARE)
    else:
        container = open_file(job.target, probing=True)
    try:
        analysis = Analysis(Source(container), job)
        analysis.read(deadline)
        report = analysis.report()
    finally:
        container.close()
    send(Record(RecordType.REPORT, report.model_dump_json().encode()))


class Analysis:
    """The meters of one source."""

    def __init__(self, source: Source, job: ProbeJob) -> None:
        self.source = source
        self.job = job
        self.meters: dict[int, TrackMeter] = {}
        """By number of the track."""
        self.skew = SkewMeter()
        self.front = 0
        self.begin: int | None = None
        for stream in source.container.streams:
            if stream.type in MEASURED and context_of(stream) is not None:
                source.add(stream)
                self.meters[len(self.meters)] = meter_of(stream)

    def read(self, deadline: float) -> None:
        """Measure until the end, the wanted duration, or the deadline.

        Raises:
            MediaError: there was nothing to measure.
        """
        limit = int(self.job.duration_s * TIMESCALE)
        leaders: dict[str, int] = {}
        for reader, packet in self.source.packets():
            self.meters[packet.track].add(packet)
            if packet.track == leaders.setdefault(reader.stream.type, packet.track):
                self.skew.add(packet)
            self._advance(packet)
            if (limit and self._read_ticks >= limit) or time.monotonic() > deadline:
                break
        if self.meters and not any(meter.packets for meter in self.meters.values()):
            raise MediaError(f"nothing could be read of `{self.job.shown}`")

    def _advance(self, packet: Packet) -> None:
        if self.begin is None:
            self.begin = self.front = packet.dts
        self.front = max(self.front, packet.dts + packet.dur)

    @property
    def _read_ticks(self) -> int:
        return self.front - self.begin if self.begin is not None else 0

    def report(self) -> ProbeReport:
        """What the meters say."""
        readers = list(self.source.readers.values())
        tracks = [self._track(reader, self.meters[reader.track.id]) for reader in readers]
        measured = {reader.stream.index for reader in readers}
        others = [s for s in self.source.container.streams if s.index not in measured]
        span = self._read_ticks / TIMESCALE
        total = sum(meter.bytes for meter in self.meters.values())
        wrapping = self.source.clock.unwrapper is not None
        report = ProbeReport(
            target=self.job.shown,
            format=self.source.format,
            duration_s=round(self.source.duration_s, 3),
            analysed_s=round(span, 3),
            bitrate_kbps=kbps(total, span),
            tracks=tracks,
            av_start_offset_ms=start_offset_ms(tracks),
            interleave_skew_ms=round(self.skew.largest * 1000 / TIMESCALE, 1),
            timestamp_wraps=max(0, self.front >> WRAP_BITS) if wrapping else 0,
            notes=[f"not measured: {s.type} track {s.index} (`{codec_name(s)}`)" for s in others],
        )
        return report.model_copy(update={"findings": judge(report)})

    def _track(self, reader: Reader, meter: TrackMeter) -> TrackReport:
        stream, track = reader.stream, reader.track
        span = meter.span / TIMESCALE
        carried = track.codec in CODECS
        name = codecs.codec_string(track) if carried and track.config is not None else ""
        return TrackReport(
            id=track.id,
            media="video" if stream.type == "video" else "audio",
            codec=codec_name(stream),
            carried=carried,
            codec_string=name,
            profile=stream.profile or "",
            level=level_of(name),
            language=track.language,
            bitrate_kbps=kbps(meter.bytes, span),
            packets=meter.packets,
            duration_s=round(span, 3),
            corrupt=meter.corrupt + reader.damaged,
            video=video_report(reader, meter),
            audio=audio_report(reader),
            timestamps=meter.timestamps(),
            parameter_sets=ParameterSetReport(
                present=track.config is not None, in_band=reader.in_band, changes=reader.changes
            ),
        )


def meter_of(stream: Stream) -> TrackMeter:
    """The meter for a stream."""
    return VideoMeter() if stream.type == "video" else TrackMeter()


def video_report(reader: Reader, meter: TrackMeter) -> VideoReport | None:
    """The measured pictures with what the container declares."""
    if not isinstance(meter, VideoMeter) or not isinstance(reader.stream, VideoStream):
        return None
    declared = {
        "width": reader.track.width,
        "height": reader.track.height,
        "fps_declared": round(float(reader.stream.average_rate or 0), 3),
        "bit_depth": bit_depth(reader.stream),
        "hdr": HDR.get(reader.stream.codec_context.color_trc, ""),
    }
    return meter.video().model_copy(update=declared)


def bit_depth(stream: VideoStream) -> int:
    """Bits of a sample, as far as libav knows the picture format."""
    form = stream.codec_context.format
    return max((component.bits for component in form.components), default=0) if form else 0


def audio_report(reader: Reader) -> AudioReport | None:
    """What the container or the configuration declares of a sound."""
    if reader.stream.type != "audio":
        return None
    return AudioReport(sample_rate=reader.track.sample_rate, channels=reader.track.channels)
