"""``streamctl push``: send a source to one or more destinations."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.cli.job import Report
    from streamctl.engine.job import DestinationStatus, JobStatus


PARTLY = 6
"""The exit code when some destinations have got everything and others have not."""


def push(  # noqa: PLR0913 # an option of the command line each
    source: Annotated[str, typer.Argument(metavar="SRC", help="A file or URL.")],
    destinations: Annotated[
        list[str],
        typer.Argument(
            metavar="DEST…",
            help="URLs to send to; env:NAME is in a variable, - reads one a line from stdin.",
        ),
    ],
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin a file again at its end, without a seam.")
    ] = False,
    duration: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Stop after this time; 0 = never.")
    ] = 0.0,
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

    Ends when the source does, after --duration, or with Ctrl-C; a destination that fails is tried
    again, the others go on. Keep keys out of the process list with env:NAME or -.

    Exits with 0 if every destination has got it all, with 6 if some have, and if none has with
    that of the first error: 3 if it can't be reached or refuses, 5 if it can't take the codecs,
    or if the source can't be read.
    """
    from streamctl.cli import location
    from streamctl.cli.job import run
    from streamctl.engine.job import Job, JobOptions
    from streamctl.engine.push import Retry
    from streamctl.registry import Registry

    url, targets = location.source(source), location.destinations(destinations)
    options = JobOptions(loop=loop, retry=Retry(None if retries < 0 else retries, retry_s))
    registry = Registry()
    # Imports block: they come before the event loop.
    registry.load_all()
    with reporting(json, quiet) as report:
        last = Last(report)
        try:
            run(lambda: Job(registry, url, targets, options=options), last, duration_s=duration)
        except Exception as failure:
            if not last.partly(failure):
                raise
            last.lament()
            raise typer.Exit(PARTLY) from None


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


class Last:
    """Passes reports on, and keeps the last one."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.destinations: list[DestinationStatus] = []

    def __call__(self, status: JobStatus, /) -> None:
        """Pass on."""
        self.destinations = status.destinations
        self.report(status)

    def partly(self, failure: Exception) -> bool:
        """Whether it is a destination's failure, and another one has got everything."""
        from streamctl.cli.diagnostics import leaves

        errors = {one.error for one in self.destinations if one.state == "failed"}
        if not any(one.state == "done" for one in self.destinations):
            return False
        return all(str(each) in errors for each in leaves(failure))

    def lament(self) -> None:
        """Say what failed."""
        from streamctl.cli import diagnostics

        failed = [one for one in self.destinations if one.state == "failed"]
        for one in failed:
            diagnostics.error(one.error)
        diagnostics.note(f"{len(failed)} of {len(self.destinations)} destinations failed")


class Changes:
    """Says on standard error when a destination changes its state."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.seen: dict[int, str] = {}
        """States by number of the destination: without their keys several may look the same."""

    def __call__(self, status: JobStatus, /) -> None:
        """Say what is new."""
        from streamctl.cli import diagnostics

        for number, one in enumerate(status.destinations):
            troubled = one.state in {"reconnecting", "failed"} and one.error
            state = f"{one.state}: {one.error}" if troubled else one.state
            if self.seen.get(number) != state and not self.quiet:
                diagnostics.note(f"{one.url}: {state}")
            self.seen[number] = state
