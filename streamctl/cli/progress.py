"""The progress of a push on a terminal: one bar for the source, one line per destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from streamctl.cli.tables import duration, size, table

if TYPE_CHECKING:
    from types import TracebackType

    from streamctl.engine.job import JobStatus


class Bars:
    """Draws the status of a job in place."""

    def __init__(self, console: Console) -> None:
        self.live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def __call__(self, status: JobStatus, /) -> None:
        """Draw."""
        self.live.update(Group(head(status), destinations(status)), refresh=True)


def head(status: JobStatus) -> Table:
    """Position, bar and rate of the source."""
    place = duration(status.position_s)
    rate = f"{status.stream.bitrate:.0f} kbit/s {status.stream.frame_rate:.1f} fps"
    line = Table.grid(padding=(0, 1))
    if not status.duration_s:
        line.add_row(place, rate)
        return line
    done = min(status.position_s, status.duration_s)
    bar = ProgressBar(total=status.duration_s, completed=done, width=30)
    share = f"{done / status.duration_s:.0%}"
    line.add_row(place, bar, duration(status.duration_s), share, rate)
    return line


def destinations(status: JobStatus) -> Table:
    """Where each destination stands."""
    rows = [
        (one.url, one.state, str(one.attempt), size(one.bytes_sent), one.error)
        for one in status.destinations
    ]
    columns = ("DESTINATION", "STATE", "ATTEMPT", "SENT", "ERROR")
    return table(columns, rows, right=("ATTEMPT", "SENT"), wrap=("DESTINATION", "ERROR"))
