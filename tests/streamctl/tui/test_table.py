from __future__ import annotations

from streamctl.tui.table import (
    MAX_SESSIONS,
    SessionTable,
    StreamTable,
    session_cells,
    stream_cells,
    urgency,
)
from tests.support.control import session, stream

SCREEN = 80
SCROLLBAR = 1


def width(columns: tuple[tuple[str, int, bool], ...]) -> int:
    return sum(cells + 2 for _, cells, _ in columns)


def test_rows_have_a_cell_per_column() -> None:
    assert len(stream_cells(stream("news"))) == len(StreamTable.COLUMNS)
    assert len(session_cells(session("a"))) == len(SessionTable.COLUMNS)


def test_all_but_the_last_column_fit_into_80_columns() -> None:
    assert width(StreamTable.COLUMNS[:-1]) <= SCREEN - SCROLLBAR
    assert width(SessionTable.COLUMNS[:-1]) <= SCREEN - SCROLLBAR


def test_trouble_sorts_before_calm_and_age() -> None:
    sessions = [
        session("new", opened_at="2025-06-01T12:00:02Z"),
        session("old", opened_at="2025-06-01T12:00:01Z"),
        session("lagging", lag_s=7.0),
        session("skipping", skips=1),
        session("pub", action="publish"),
    ]
    ordered = [one.id for one in sorted(sessions, key=urgency)]
    assert ordered == ["pub", "skipping", "lagging", "old", "new"]


def test_small_lags_do_not_reorder_viewers() -> None:
    assert urgency(session("a", lag_s=0.1))[:3] == urgency(session("a", lag_s=0.9))[:3]


def test_rows_of_sessions_are_bounded() -> None:
    assert MAX_SESSIONS <= 500


def test_a_publisher_shows_what_it_sent_us() -> None:
    cells = session_cells(session("a", action="publish", bytes_in=5_000_000, bytes_out=10))
    assert [cell.plain for cell in cells][:3] == ["▲ rtmp", "192.0.2.7:51234", "5.0 MB"]
