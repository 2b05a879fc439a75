"""Tables that follow live data: rows have keys, and only what is on the screen is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from streamctl.tui import format as show
from streamctl.tui.format import clean, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.schema import SessionStatus, StreamStatus

Cells = tuple[Text, ...]

Columns = tuple[tuple[str, int, bool], ...]
"""Label, width, and whether it holds numbers."""

MAX_SESSIONS = 200
"""Rows of sessions; the slowest come first, so what is left out is not worth a look."""


class LiveTable(DataTable[Text]):
    """A table whose cursor stays on its row while rows come, go and change."""

    COLUMNS: ClassVar[Columns] = ()

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self.keys: list[str] = []
        self.cells: Callable[[str], Cells] = lambda _: ()

    def on_mount(self) -> None:
        """Make the columns."""
        for label, width, is_number in self.COLUMNS:
            heading = Text(label, justify="right" if is_number else "left")
            self.add_column(heading, width=width)

    @property
    def selected(self) -> str:
        """The key of the row under the cursor; empty when there is none."""
        return self.keys[self.cursor_row] if 0 <= self.cursor_row < len(self.keys) else ""

    def fill(self, keys: Sequence[str], cells: Callable[[str], Cells]) -> None:
        """Show these rows; ``cells`` makes one when it is needed."""
        self.cells = cells
        if list(keys) != self.keys:
            self.rearrange(list(keys))
        self.draw_visible()

    def rearrange(self, keys: list[str]) -> None:
        """Make other rows, with the cursor on the same key where it still exists."""
        selected, top = self.selected, self.scroll_y
        self.clear()
        self.keys = keys
        for key in keys:
            self.add_row(*self.cells(key), key=key)
        if selected in keys:
            self.move_cursor(row=keys.index(selected), scroll=False)
            self.scroll_to(y=top, animate=False)

    def draw_visible(self) -> None:
        """Bring the rows on the screen up to date."""
        first = int(self.scroll_y)
        for row in range(first, min(first + self.size.height, self.row_count)):
            for column, cell in enumerate(self.cells(self.keys[row])):
                where = Coordinate(row, column)
                known = self.get_cell_at(where)
                # Texts of another colour compare equal.
                if known != cell or known.style != cell.style:
                    self.update_cell_at(where, cell)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Rows that come into view may be old."""
        super().watch_scroll_y(old_value, new_value)
        self.draw_visible()


class StreamTable(LiveTable):
    """Every stream in a line; all but the causes fit into 80 columns."""

    COLUMNS: ClassVar[Columns] = (
        ("Stream", 16, False),
        ("State", 10, False),
        ("Input", 7, False),
        ("Video", 9, False),
        ("Mbit/s", 6, True),
        ("fps", 3, True),
        ("View", 5, True),
        ("Up", 7, True),
        ("Cause", 40, False),
    )

    def update_streams(self, streams: Sequence[StreamStatus]) -> None:
        """Show these streams."""
        by_code = {stream.id: stream for stream in streams}
        self.fill(list(by_code), lambda code: stream_cells(by_code[code]))


class SessionTable(LiveTable):
    """The sessions of one stream, the publisher and then the slowest viewers first."""

    COLUMNS: ClassVar[Columns] = (
        ("Protocol", 9, False),
        ("Peer", 21, False),
        ("Moved", 8, True),
        ("Lag", 6, True),
        ("Skips", 8, True),
        ("Open", 7, True),
        ("Client", 60, False),
    )

    def update_sessions(self, sessions: Sequence[SessionStatus]) -> None:
        """Show these sessions, as many as make sense."""
        ordered = sorted(sessions, key=urgency)[:MAX_SESSIONS]
        by_id = {session.id: session for session in ordered}
        self.fill(list(by_id), lambda session_id: session_cells(by_id[session_id]))


def urgency(session: SessionStatus) -> tuple[bool, int, int, str]:
    """Sorts publishers first, then viewers by trouble, then by age."""
    slow = int(session.lag_s) if session.lag_s >= show.SLOW_S else 0
    return (session.action != "publish", -session.skips, -slow, session.opened_at)


def stream_cells(stream: StreamStatus) -> Cells:
    """The row of a stream."""
    fps = f"{stream.frame_rate:.0f}" if stream.frame_rate else ""
    return (
        Text(clean(stream.id), style="bold", no_wrap=True, overflow="ellipsis"),
        show.state(stream.status),
        Text(clean(stream.type), no_wrap=True),
        Text(show.picture(stream)),
        number(f"{stream.bitrate / 1000:.2f}" if stream.bitrate else ""),
        number(fps),
        number(str(stream.stats.viewers)),
        number(show.duration(stream.uptime_s)),
        Text(show.causes(stream), style=show.WARN, no_wrap=True, overflow="ellipsis"),
    )


def session_cells(session: SessionStatus) -> Cells:
    """The row of a session."""
    moved = session.bytes_in if session.action == "publish" else session.bytes_out
    arrow = "▲" if session.action == "publish" else "▼"
    return (
        Text(f"{arrow} {clean(session.protocol)}"),
        Text(clean(session.peer), no_wrap=True, overflow="ellipsis"),
        number(show.size(moved)),
        show.lag(session),
        show.skips(session),
        number(show.duration(session.uptime_s)),
        Text(clean(session.user_agent), style=show.SOFT, no_wrap=True, overflow="ellipsis"),
    )
