"""``streamctl ingest``: take a source in without a configuration; show, serve or record it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from streamctl.cli.intake import Intake
    from streamctl.cli.job import Report
    from streamctl.engine.job import JobStatus


def ingest(  # noqa: PLR0913 # an option of the command line each
    source: Annotated[str, typer.Argument(metavar="URL|FILE", help="Where the media comes from.")],
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it over RTMP and HTTP, and say where.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to a .ts, .flv, .mp4 or .mkv.")
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="CODE", help="What to serve it as; default: from the source.")
    ] = "",
    rtmp: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to serve RTMP; default :1935 or free.")
    ] = "",
    http: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to serve HTTP; default :8888 or free.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file to be written.")] = False,
    max_mb: Annotated[
        float, typer.Option(metavar="MB", min=0, help="Stop at this size of the file; 0 = never.")
    ] = 0.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin a file again at its end.")] = False,
    duration: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Stop after this time; 0 = never.")
    ] = 0.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="Attempts after one that failed.")
    ] = 0,
    json: Json = False,
) -> None:
    """Take in a source and show its tracks, bitrate and frame rate while it runs.

    With --serve viewers can watch it meanwhile, with --record it is written to a file, which is
    whole when the command ends. It runs until the source ends, for --duration, or until Ctrl-C.
    Elsewhere than on a terminal it prints a line a second, with --json a document a line.
    """
    from streamctl.cli import location
    from streamctl.cli.intake import Intake
    from streamctl.cli.job import run
    from streamctl.engine.job import JobOptions
    from streamctl.engine.push import Retry
    from streamctl.registry import Registry

    url = location.source(source)
    options = JobOptions(loop=loop, retry=Retry(retries))
    registry = Registry()
    # Imports block: they come before the event loop.
    registry.load_all()
    intake = Intake(registry, url, options)
    if serve or rtmp or http or name:
        intake.serve(name, rtmp, http)
    prepare_recording(intake, record, force=force, max_mb=max_mb)
    try:
        with reporting(json, intake) as report:
            run(intake.job, report, duration_s=duration)
    finally:
        intake.conclude()
    intake.check()


def prepare_recording(intake: Intake, path: Path | None, *, force: bool, max_mb: float) -> None:
    """Have it written to a file, if one is named.

    Raises:
        ConfigError: there is none to which the options could apply.
    """
    from streamctl.errors import ConfigError

    if path is not None:
        intake.record(path, force=force, max_bytes=int(max_mb * 1_000_000))
    elif force or max_mb:
        option = "--force" if force else "--max-mb"
        raise ConfigError(f"`{option}` is for a recording", hint="add `--record FILE`")


@contextmanager
def reporting(json: bool, intake: Intake) -> Iterator[Report]:
    """A report for programs, for a terminal, or for a file."""
    from streamctl.cli.output import console, print_json, print_lines

    to = console()
    if json or not to.is_terminal:
        intake.say_failures()
    if json:
        yield lambda status: print_json(document(status) | intake.facts(), compact=True)
        return
    if not to.is_terminal:
        yield lambda status: print_lines([line(status)])
        return
    from rich.live import Live

    with Live(console=to, auto_refresh=False) as live:
        yield lambda status: live.update(screen(status), refresh=True)


def document(status: JobStatus) -> dict[str, object]:
    """The status for programs."""
    return {
        "position_s": status.position_s,
        "duration_s": status.duration_s,
        **status.stream.model_dump(mode="json"),
    }


def line(status: JobStatus) -> str:
    """The status on one line."""
    from streamctl.cli.tables import duration, kbps

    stream = status.stream
    codecs = "+".join(track.codec for track in stream.media.tracks) or "no tracks"
    return (
        f"{duration(status.position_s)} {stream.ingest_status} {codecs} {stream.resolution} "
        f"{kbps(stream.bitrate) or 0} kbit/s {stream.frame_rate:.1f} fps"
    )


def screen(status: JobStatus) -> RenderableType:
    """The status for a terminal."""
    from rich.console import Group

    from streamctl.cli import tables

    stream = status.stream
    place = tables.duration(status.position_s)
    if status.duration_s:
        place = f"{place} of {tables.duration(status.duration_s)}"
    parts: list[RenderableType] = [
        f"{stream.ingest_status}  {place}  {stream.bitrate:.0f} kbit/s  "
        f"{stream.frame_rate:.1f} fps  GOP {stream.media.gop_s:.1f} s  "
        f"A/V {stream.media.av_offset_ms:+.0f} ms  {tables.size(stream.stats.bytes_received)}"
    ]
    parts += [f"{cause.name}: {cause.detail}" for cause in stream.causes]
    if stream.media.tracks:
        parts.append(tables.tracks(stream.media.tracks))
    return Group(*parts)
