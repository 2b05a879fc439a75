"""``streamctl probe``: what a source contains, and what live players will choke on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streamctl.avworker.report import ProbeReport, TrackReport

FAULTY = 1
"""The exit code when a finding is an error: the source can be read but not be put on air."""
EXPLAIN_S = 5.0
"""How long a server that gave nothing is asked why."""
ORDINARY_BITS = 8
GOP_COLUMNS = ("TRACK", "KEYFRAMES", "GOP MIN/AVG/MAX", "FRAMES", "OPEN", "B-FRAMES", "REORDER")
TIME_COLUMNS = ("TRACK", "FIRST PTS", "FIRST DTS", "DISORDER", "GAPS", "LARGEST")
SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def probe(
    source: Annotated[str, typer.Argument(metavar="URL|FILE", help="What to look at.")],
    json: Json = False,
    duration: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Media to read; 0 = a file whole, 10 s of a URL."
        ),
    ] = 0.0,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Give up after this time.")
    ] = 60.0,
) -> None:
    """Say what a source contains and what a live server or its players will choke on.

    Shows tracks, groups of pictures and timestamps. Exits with 1 if a finding is an error, with 5
    if the source can't be read, with 3 if it can't be reached.
    """
    import anyio

    from streamctl.avworker.client import AvWorkerClient
    from streamctl.cli import location, sampling
    from streamctl.cli.explain import refusal
    from streamctl.cli.output import print_json, print_text
    from streamctl.errors import ConnectionFailed
    from streamctl.registry import Registry

    target = location.source(source)
    registry = Registry()
    # Imports block: they come before the event loop.
    registry.load_all()

    async def probing() -> ProbeReport:
        if (found := sampling.sampled(registry, target)) is not None:
            return await sampling.measure(*found, duration_s=duration, timeout_s=timeout)
        try:
            return await AvWorkerClient().probe(
                target, duration_s=duration or None, timeout_s=timeout
            )
        except ConnectionFailed as failure:
            said = await refusal(registry, target, min(timeout, EXPLAIN_S))
            raise said or failure from None

    report = anyio.run(probing)
    if json:
        print_json(report)
    else:
        print_text(*render(report))
    if report.worst() == "error":
        raise typer.Exit(FAULTY)


def render(report: ProbeReport) -> list[RenderableType]:
    """The report for people."""
    from rich.text import Text

    from streamctl.cli.tables import duration, table

    length = duration(report.duration_s) if report.duration_s else "live or unknown"
    parts: list[RenderableType] = [
        f"{report.target}",
        f"{report.format}, duration {length}, {report.analysed_s:.1f} s read, "
        f"{report.bitrate_kbps:.0f} kbit/s",
        "",
        table(("TRACK", "CODEC", "FORMAT", "FPS", "KBIT/S"), map(track_row, report.tracks)),
    ]
    pictures = [gop_row(track) for track in report.tracks if track.video and track.carried]
    if pictures:
        parts += ["", table(GOP_COLUMNS, pictures)]
    parts += ["", table(TIME_COLUMNS, map(time_row, report.tracks))]
    if report.av_start_offset_ms is not None:
        parts.append(
            f"A/V start offset {report.av_start_offset_ms:+.0f} ms, "
            f"interleaving within {report.interleave_skew_ms:.0f} ms"
        )
    parts += [f"note: {note}" for note in report.notes]
    parts.append("")
    for finding in report.findings:
        parts.append(
            Text.assemble(
                (finding.severity, SEVERITY_STYLE[finding.severity]), f": {finding.message}"
            )
        )
        if finding.hint:
            parts.append(f"  hint: {finding.hint}")
    return parts if report.findings else [*parts, "nothing to complain about"]


def track_row(track: TrackReport) -> tuple[str, ...]:
    """Codec and format of a track."""
    name = track.codec_string or track.codec
    facts = " ".join(part for part in (name, track.profile, track.level, track.language) if part)
    rate = f"{track.bitrate_kbps:.0f}"
    if track.video:
        fps = f"{track.video.fps_measured:.2f}{' variable' if track.video.variable_fps else ''}"
        size = f"{track.video.width}x{track.video.height}"
        depth = f"{track.video.bit_depth} bit" if track.video.bit_depth > ORDINARY_BITS else ""
        shape = " ".join(part for part in (size, depth, track.video.hdr.upper()) if part)
        return str(track.id), facts, shape, fps, rate
    if track.audio:
        shape = f"{track.audio.sample_rate} Hz, {track.audio.channels} ch"
        return str(track.id), facts, shape, "", rate
    return str(track.id), facts, "", "", rate


def gop_row(track: TrackReport) -> tuple[str, ...]:
    """Groups of pictures of a track."""
    assert track.video is not None
    gop = track.video.gop
    return (
        str(track.id),
        str(gop.keyframes),
        f"{gop.min_s:.2f}/{gop.avg_s:.2f}/{gop.max_s:.2f} s",
        f"{gop.min_frames}/{gop.avg_frames:.0f}/{gop.max_frames}",
        str(gop.open_gops),
        str(track.video.b_frames),
        str(track.video.reorder_frames),
    )


def time_row(track: TrackReport) -> tuple[str, ...]:
    """Timestamps of a track."""
    times = track.timestamps
    first = ["" if at is None else f"{at:.3f} s" for at in (times.first_pts_s, times.first_dts_s)]
    largest = f"{times.largest_gap_s:.3f} s" if times.gaps else ""
    return str(track.id), *first, str(times.dts_disorder), str(times.gaps), largest
