"""What ``probe`` measures, as documents that print as JSON.

The child fills these models in, the parent validates them again, and the command line shows
them. A value that could not be measured is 0, an empty string or None, never a guess.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Severity = Literal["error", "warning", "info"]


class Finding(BaseModel):
    """Something that a live server or its players will choke on, or should know."""

    severity: Severity
    code: str = Field(description="stable name, such as gop_too_long")
    message: str
    hint: str = Field("", description="what to do about it")
    track: int | None = Field(None, description="number of the track it concerns")


class GopReport(BaseModel):
    """Groups of pictures; lengths are those of complete groups."""

    keyframes: int = 0
    open_gops: int = Field(0, description="random-access points with leading pictures")
    min_s: float = 0.0
    avg_s: float = 0.0
    max_s: float = 0.0
    min_frames: int = 0
    avg_frames: float = 0.0
    max_frames: int = 0


class VideoReport(BaseModel):
    """What only video tracks have."""

    width: int = 0
    height: int = 0
    fps_declared: float = 0.0
    fps_measured: float = 0.0
    variable_fps: bool = False
    gop: GopReport = Field(default_factory=GopReport)
    bit_depth: int = Field(0, description="of a sample; 0 = unknown")
    hdr: Literal["", "pq", "hlg"] = Field("", description="transfer of high dynamic range")
    b_frames: int = Field(0, description="most consecutive B pictures")
    reorder_frames: int = Field(0, description="pictures that precede another in decoding only")


class AudioReport(BaseModel):
    """What only audio tracks have."""

    sample_rate: int = 0
    channels: int = 0


class TimestampReport(BaseModel):
    """The timestamps of one track, as they stand in the source."""

    first_pts_s: float | None = None
    first_dts_s: float | None = None
    dts_disorder: int = Field(0, description="packets whose DTS does not rise")
    pts_before_dts: int = 0
    gaps: int = Field(0, description="holes of more than two frames")
    largest_gap_s: float = 0.0


class ParameterSetReport(BaseModel):
    """Decoder configuration of one track."""

    present: bool = False
    in_band: bool = Field(False, description="repeated among the pictures")
    changes: int = Field(0, description="how often it changed while analysed")


class TrackReport(BaseModel):
    """One elementary stream."""

    id: int
    media: Literal["video", "audio", "data"]
    codec: str
    carried: bool = Field(description="whether streamctl can put it on air")
    codec_string: str = Field("", description="RFC 6381, such as avc1.64001f")
    profile: str = ""
    level: str = ""
    language: str = ""
    bitrate_kbps: float = 0.0
    packets: int = 0
    duration_s: float = 0.0
    corrupt: int = Field(0, description="packets that the container marks as damaged")
    video: VideoReport | None = None
    audio: AudioReport | None = None
    timestamps: TimestampReport = Field(default_factory=TimestampReport)
    parameter_sets: ParameterSetReport = Field(default_factory=ParameterSetReport)


class ProbeReport(BaseModel):
    """Everything ``probe`` found out about one source."""

    target: str = Field(description="the file or URL, secrets replaced by ***")
    format: str
    duration_s: float = Field(0.0, description="as the container declares; 0 = live or unknown")
    analysed_s: float = Field(0.0, description="media time that was read")
    bitrate_kbps: float = 0.0
    tracks: list[TrackReport] = Field(default_factory=list)
    av_start_offset_ms: float | None = Field(
        None, description="first audio minus first video timestamp"
    )
    interleave_skew_ms: float = Field(
        0.0, description="largest distance of audio and video at the same place of the source"
    )
    timestamp_wraps: int = Field(0, description="33-bit counters that wrapped while analysed")
    notes: list[str] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)

    def worst(self) -> Severity | None:
        """The gravest severity among the findings; None without any."""
        order: tuple[Severity, ...] = ("error", "warning", "info")
        present = {finding.severity for finding in self.findings}
        return next((severity for severity in order if severity in present), None)
