"""``streamctl push``: send a source to one or more destinations."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.cli.job import Report
    from streamctl.engine.job import JobStatus


def push(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A file or URL; file:PATH?loop=true never ends.")
    ],
    destinations: Annotated[
        list[str],
        typer.Argument(
            metavar="DEST…",
            help="URLs to send to; env:NAME takes one from a variable, - from standard input.",
        ),
    ],
    retries: Annotated[
        int,
        typer.Option(metavar="N", min=-1, help="Attempts after one that failed; -1 = for ever."),
    ] = 3,
    retry_s: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Pause before each of them.")
    ] = 5.0,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say errors only.")] = False,
) -> None:
    """Send a source to one or more destinations in real time.

    Ends when the source does, with the exit code 0 if every destination has got it all, else
    with that of the first error. A destination that fails is tried again, the others go on. Keep
    keys out of the process list with env:NAME or -.
    """
    from streamctl.cli import location
    from streamctl.cli.job import run
    from streamctl.engine.job import Job, JobOptions
    from streamctl.engine.push import Retry
    from streamctl.registry import Registry

    url, targets = location.source(source), location.destinations(destinations)
    options = JobOptions(retry=Retry(None if retries < 0 else retries, retry_s))
    registry = Registry()
    # Imports block: they come before the event loop.
    registry.load_all()
    with reporting(json, quiet) as report:
        run(lambda: Job(registry, url, targets, options=options), report)


@contextmanager
def reporting(json: bool, quiet: bool) -> Iterator[Report]:
    """A report for programs, for a terminal, or none."""
    from streamctl.cli.output import console, print_json

    to = console(stderr=True)
    if json:
        yield lambda status: print_json(document(status), compact=True)
    elif quiet or not to.is_terminal:
        yield Changes(quiet)
    else:
        from streamctl.cli.progress import Bars

        with Bars(to) as bars:
            yield bars


def document(status: JobStatus) -> dict[str, object]:
    """The status for programs."""
    from dataclasses import asdict

    return {
        "position_s": status.position_s,
        "duration_s": status.duration_s,
        "ingest_status": status.stream.ingest_status,
        "bitrate_kbps": status.stream.bitrate,
        "fps": status.stream.frame_rate,
        "destinations": [asdict(one) for one in status.destinations],
    }


class Changes:
    """Says on standard error when a destination changes its state."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.seen: dict[str, str] = {}

    def __call__(self, status: JobStatus, /) -> None:
        """Say what is new."""
        from streamctl.cli import diagnostics

        for one in status.destinations:
            state = f"{one.state}: {one.error}" if one.state == "reconnecting" else one.state
            if self.seen.get(one.url) != state and not self.quiet:
                diagnostics.note(f"{one.url}: {state}")
            self.seen[one.url] = state
