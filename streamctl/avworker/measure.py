"""Meters that a probe feeds access unit by access unit; they know no libav.

Everything is measured on the source's own timestamps in file order. Meters keep counts, never
packets, so a probe of a whole day needs no more memory than one of a second.
"""

from __future__ import annotations

from collections import Counter, deque

from streamctl.avworker.report import GopReport, TimestampReport, VideoReport
from streamctl.media.packet import TIMESCALE, Flag, Kind, Packet

REORDER_WINDOW = 16
"""The deepest reordering that H.264 and HEVC allow."""
MAX_INTERVALS = 4096
"""Distinct frame intervals to count; real variable rates have a few hundred."""
VARIABLE_SHARE = 0.05
"""Above this share of irregular intervals a frame rate is variable: encoders that repeat or
drop a single frame stay below."""
JITTER = 150
"""Ticks that rounding to milliseconds, on both ends, makes of a constant interval."""


class TrackMeter:
    """Measures what every track has."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.corrupt = 0
        self.first_pts: int | None = None
        self.first_dts: int | None = None
        self.last: Packet | None = None
        self.front = 0
        """Highest end of presentation so far."""
        self.step = 0
        """The last regular distance of two packets."""
        self.disorder = 0
        self.pts_before_dts = 0
        self.gaps = 0
        self.largest_gap = 0

    def add(self, packet: Packet) -> None:
        """Take the next access unit of the track."""
        self.packets += 1
        self.bytes += len(packet.data)
        self.corrupt += bool(packet.flags & Flag.CORRUPT)
        self.pts_before_dts += packet.pts < packet.dts
        end = packet.pts + packet.dur
        if self.last is None:
            self.first_pts, self.first_dts = packet.pts, packet.dts
            self.front = end
        else:
            self.front = max(self.front, end)
            self._compare(self.last, packet)
        self.last = packet

    def _compare(self, last: Packet, packet: Packet) -> None:
        delta = packet.dts - last.dts
        if delta <= 0:
            self.disorder += 1
            return
        step = max(last.dur, packet.dur) or self.step
        if step and delta > 3 * step:
            self.gaps += 1
            self.largest_gap = max(self.largest_gap, delta - step)
        else:
            self.step = delta

    @property
    def span(self) -> int:
        """Media time from the first to the end of the last, in ticks."""
        return self.front - self.first_pts if self.first_pts is not None else 0

    def timestamps(self) -> TimestampReport:
        """The measured timestamps."""
        return TimestampReport(
            first_pts_s=seconds(self.first_pts),
            first_dts_s=seconds(self.first_dts),
            dts_disorder=self.disorder,
            pts_before_dts=self.pts_before_dts,
            gaps=self.gaps,
            largest_gap_s=round(self.largest_gap / TIMESCALE, 3),
        )


class VideoMeter(TrackMeter):
    """Measures pictures: groups, reordering and the frame rate."""

    def __init__(self) -> None:
        super().__init__()
        self.intervals: Counter[int] = Counter()
        self.recent: deque[int] = deque(maxlen=REORDER_WINDOW)
        self.reorder = 0
        self.b_run = 0
        self.b_frames = 0
        self.gop = GopMeter()

    def add(self, packet: Packet) -> None:
        last = self.last
        super().add(packet)
        if last is not None and packet.dts > last.dts:
            interval = packet.dts - last.dts
            if interval in self.intervals or len(self.intervals) < MAX_INTERVALS:
                self.intervals[interval] += 1
        self.b_run = self.b_run + 1 if packet.kind is Kind.B else 0
        self.b_frames = max(self.b_frames, self.b_run)
        self.reorder = max(self.reorder, sum(pts > packet.pts for pts in self.recent))
        self.recent.append(packet.pts)
        self.gop.add(packet)

    @property
    def typical(self) -> int:
        """The median interval of two pictures in ticks; 0 with fewer than two."""
        middle = sum(self.intervals.values()) / 2
        passed = 0
        for interval in sorted(self.intervals):
            passed += self.intervals[interval]
            if passed >= middle:
                return interval
        return 0

    @property
    def variable(self) -> bool:
        """Whether too many intervals differ from the median, holes apart."""
        typical = self.typical
        slack = max(JITTER, typical // 20)
        regular = sum(n for i, n in self.intervals.items() if abs(i - typical) <= slack)
        return regular < (1 - VARIABLE_SHARE) * sum(self.intervals.values())

    @property
    def fps(self) -> float:
        """Pictures per second, holes of more than two pictures apart."""
        typical = self.typical
        within = {i: n for i, n in self.intervals.items() if i <= 3 * typical}
        total = sum(interval * count for interval, count in within.items())
        return round(sum(within.values()) * TIMESCALE / total, 3) if total else 0.0

    def video(self) -> VideoReport:
        """The measured pictures; size and declared rate are the container's to fill in."""
        return VideoReport(
            fps_measured=self.fps,
            variable_fps=self.variable,
            gop=self.gop.report(),
            b_frames=self.b_frames,
            reorder_frames=self.reorder,
        )


class GopMeter:
    """Measures groups of pictures from one random-access point to the next."""

    def __init__(self) -> None:
        self.keyframes = 0
        self.open = 0
        self.key_pts = 0
        self.frames = 0
        self.has_leading = False
        self.ticks = Range()
        self.pictures = Range()

    def add(self, packet: Packet) -> None:
        """Take the next picture."""
        if packet.kind is Kind.KEY:
            if self.keyframes:
                self.ticks.add(packet.pts - self.key_pts)
                self.pictures.add(self.frames)
            self.keyframes += 1
            self.key_pts = packet.pts
            self.frames = 0
            self.has_leading = False
        elif self.keyframes and packet.pts < self.key_pts and not self.has_leading:
            self.has_leading = True
            self.open += 1
        self.frames += 1

    def report(self) -> GopReport:
        """The measured groups."""
        return GopReport(
            keyframes=self.keyframes,
            open_gops=self.open,
            min_s=round(self.ticks.low / TIMESCALE, 3),
            avg_s=round(self.ticks.mean / TIMESCALE, 3),
            max_s=round(self.ticks.high / TIMESCALE, 3),
            min_frames=self.pictures.low,
            avg_frames=round(self.pictures.mean, 1),
            max_frames=self.pictures.high,
        )


class Range:
    """Lowest, highest and mean of numbers; all 0 without any."""

    def __init__(self) -> None:
        self.low = 0
        self.high = 0
        self.total = 0
        self.count = 0

    def add(self, value: int) -> None:
        """Count a number."""
        self.low = min(self.low, value) if self.count else value
        self.high = max(self.high, value) if self.count else value
        self.total += value
        self.count += 1

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return self.total / self.count if self.count else 0.0


class SkewMeter:
    """Measures how far audio and video of the same place in the source are apart."""

    def __init__(self) -> None:
        self.video: int | None = None
        self.audio: int | None = None
        self.largest = 0

    def add(self, packet: Packet) -> None:
        """Take the next access unit of the first video or the first audio track."""
        if packet.kind is Kind.AUDIO:
            self.audio = packet.dts
        else:
            self.video = packet.dts
        if self.video is not None and self.audio is not None:
            self.largest = max(self.largest, abs(self.video - self.audio))


def seconds(ticks: int | None) -> float | None:
    """Ticks as seconds with microseconds."""
    return None if ticks is None else round(ticks / TIMESCALE, 6)
