"""Judges a report: what live servers and their players choke on, or should know.

A table of rules, each a function of values; thresholds stand here with their reasons. Severity
``error`` means that the source can't go on air as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.avworker.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.avworker.report import ProbeReport, TrackReport, VideoReport

MAX_GOP_S = 4.0
"""Joining and segment length follow the group; most platforms ask for 2 s and refuse above 4."""
MAX_START_SKEW_MS = 200.0
"""Players start at the later track; beyond this the start is visibly cut or out of sync."""
MAX_INTERLEAVE_MS = 1000.0
"""Live players buffer about a second of one track to wait for the other."""


def judge(report: ProbeReport) -> list[Finding]:
    """All findings, gravest first."""
    findings = [finding for rule in SOURCE_RULES for finding in rule(report)]
    for track in report.tracks:
        findings += [finding for rule in TRACK_RULES for finding in rule(track)]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def check_codecs(report: ProbeReport) -> Iterator[Finding]:
    """Tracks that can't be carried, and media without any that can."""
    carried = {track.media for track in report.tracks if track.carried and track.packets}
    if not carried:
        found = ", ".join(sorted({track.codec for track in report.tracks})) or "none"
        yield Finding(
            severity="error",
            code="no_usable_track",
            message=f"no track can be put on air: found {found}",
            hint="encode as H.264 and AAC",
        )
    for track in report.tracks:
        if not track.carried and track.packets and track.media != "data":
            lost = track.media not in carried
            yield Finding(
                severity="error" if lost else "warning",
                code="unsupported_codec",
                message=f"`{track.codec}` is left out" + (f": no {track.media}" if lost else ""),
                hint=f"encode as {'H.264' if track.media == 'video' else 'AAC'}",
                track=track.id,
            )


def check_presence(report: ProbeReport) -> Iterator[Finding]:
    """Media that viewers expect."""
    present = {track.media for track in report.tracks}
    if "audio" not in present:
        yield Finding(
            severity="warning",
            code="missing_audio",
            message="there is no audio",
            hint="many platforms and players expect a track, be it silent",
        )
    if "video" not in present:
        yield Finding(severity="info", code="missing_video", message="there is no video")


def check_sync(report: ProbeReport) -> Iterator[Finding]:
    """Audio against video, at the start and along the way."""
    offset = report.av_start_offset_ms
    if offset is not None and abs(offset) > MAX_START_SKEW_MS:
        later = "audio" if offset > 0 else "video"
        yield Finding(
            severity="warning",
            code="av_start_skew",
            message=f"{later} starts {abs(offset):.0f} ms after the other track",
            hint="begin both tracks together",
        )
    if report.interleave_skew_ms > MAX_INTERLEAVE_MS:
        yield Finding(
            severity="warning",
            code="interleave_skew",
            message=f"audio and video are up to {report.interleave_skew_ms:.0f} ms apart in the "
            "source",
            hint="players with small buffers stall; remux with interleaving",
        )
    if report.timestamp_wraps:
        yield Finding(
            severity="info",
            code="timestamp_wrap",
            message="the 33-bit timestamps wrap while the source plays",
            hint="streamctl unwraps them; other software may stop there",
        )


def check_timestamps(track: TrackReport) -> Iterator[Finding]:
    """Order and holes."""
    times = track.timestamps
    if times.dts_disorder:
        yield Finding(
            severity="error",
            code="dts_disorder",
            message=f"DTS does not rise at {times.dts_disorder} packets",
            hint="the source is damaged or its encoder faulty",
            track=track.id,
        )
    if times.pts_before_dts:
        yield Finding(
            severity="error",
            code="pts_before_dts",
            message=f"{times.pts_before_dts} packets are to be shown before they are decoded",
            hint="the source is damaged or its encoder faulty",
            track=track.id,
        )
    if times.gaps:
        yield Finding(
            severity="warning",
            code="gaps",
            message=f"{times.gaps} holes of more than two frames, the largest "
            f"{times.largest_gap_s:g} s",
            hint="packets were lost, or the encoder can't keep up",
            track=track.id,
        )
    if track.corrupt:
        yield Finding(
            severity="warning",
            code="corrupt_packets",
            message=f"{track.corrupt} packets are damaged",
            hint="look for loss on the way to this source",
            track=track.id,
        )


def check_configuration(track: TrackReport) -> Iterator[Finding]:
    """Decoder configurations of tracks that would go on air."""
    sets = track.parameter_sets
    if track.carried and track.packets and not sets.present:
        yield Finding(
            severity="error",
            code="missing_parameter_sets",
            message="nothing tells decoders how to begin",
            hint="send SPS and PPS with each keyframe",
            track=track.id,
        )
    if sets.changes:
        yield Finding(
            severity="warning",
            code="changing_parameter_sets",
            message=f"the decoder configuration changes {sets.changes} times",
            hint="players of some outputs reconnect or stop at such changes",
            track=track.id,
        )


def check_pictures(track: TrackReport) -> Iterator[Finding]:
    """Keyframes and groups."""
    video = track.video
    if video is None or not track.packets:
        return
    gop = video.gop
    if not gop.keyframes:
        yield Finding(
            severity="error",
            code="no_keyframe",
            message=f"no keyframe within {track.duration_s:.1f} s",
            hint="set a keyframe interval of 2 s",
            track=track.id,
        )
    lonely_s = track.duration_s if gop.keyframes == 1 else 0.0
    if max(gop.max_s, lonely_s) > MAX_GOP_S:
        yield Finding(
            severity="warning",
            code="gop_too_long",
            message=f"no second keyframe within {lonely_s:.1f} s"
            if lonely_s
            else f"keyframes are up to {gop.max_s:.1f} s apart",
            hint="set a keyframe interval of 2 s: joining and segments wait for it",
            track=track.id,
        )
    yield from check_structure(track.id, video)


def check_structure(number: int, video: VideoReport) -> Iterator[Finding]:
    """Reordering, open groups and the frame rate."""
    if video.gop.open_gops:
        yield Finding(
            severity="info",
            code="open_gop",
            message=f"{video.gop.open_gops} open groups: joiners lose their leading pictures",
            track=number,
        )
    if video.b_frames or video.reorder_frames:
        yield Finding(
            severity="info",
            code="b_frames",
            message=f"up to {video.b_frames or video.reorder_frames} B-frames in a row",
            hint="WebRTC viewers can't play them",
            track=number,
        )
    if video.variable_fps:
        yield Finding(
            severity="warning",
            code="variable_frame_rate",
            message=f"the frame rate varies around {video.fps_measured:g}",
            hint="encode at a constant rate",
            track=number,
        )


SOURCE_RULES: tuple[Callable[[ProbeReport], Iterator[Finding]], ...] = (
    check_codecs,
    check_presence,
    check_sync,
)
TRACK_RULES: tuple[Callable[[TrackReport], Iterator[Finding]], ...] = (
    check_timestamps,
    check_configuration,
    check_pictures,
)
