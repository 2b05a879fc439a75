"""``streamctl ingest``: take a source in without a configuration, and say what arrives."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from streamctl.cli.job import Report
    from streamctl.engine.job import JobStatus


def ingest(
    source: Annotated[str, typer.Argument(metavar="URL|FILE", help="Where the media comes from.")],
    json: Json = False,
    duration: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Stop after this time; 0 = never.")
    ] = 0.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="Attempts after one that failed.")
    ] = 0,
) -> None:
    """Take in a source and show its tracks, bitrate and frame rate while it runs.

    It runs until the source ends, for --duration, or until Ctrl-C. Elsewhere than on a terminal
    it prints a line a second, with --json a document a line.
    """
    from streamctl.cli import location
    from streamctl.cli.job import run
    from streamctl.engine.job import Job, JobOptions
    from streamctl.engine.push import Retry
    from streamctl.registry import Registry

    url = location.source(source)
    options = JobOptions(retry=Retry(retries))
    registry = Registry()
    # Imports block: they come before the event loop.
    registry.load_all()
    with reporting(json) as report:
        run(lambda: Job(registry, url, options=options), report, duration_s=duration)


@contextmanager
def reporting(json: bool) -> Iterator[Report]:
    """A report for programs, for a terminal, or for a file."""
    from streamctl.cli.output import console, print_json, print_lines

    if json:
        yield lambda status: print_json(document(status), compact=True)
        return
    to = console()
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
