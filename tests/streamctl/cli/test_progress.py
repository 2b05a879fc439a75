from __future__ import annotations

import io

from rich.console import Console

from streamctl.cli.progress import Bars
from tests.streamctl.cli.status_of_job import job_status


def drawn(*, duration_s: float) -> str:
    out = io.StringIO()
    with Bars(Console(file=out, width=100, force_terminal=True, color_system=None)) as bars:
        bars(job_status("reconnecting", "connection refused", duration_s=duration_s))
    return out.getvalue()


def test_draws_a_bar_and_a_line_per_destination() -> None:
    shown = drawn(duration_s=10.0)
    for fact in ("0:05", "0:10", "50%", "2628 kbit/s", "rtmp://x/live/***", "1.5 MB"):
        assert fact in shown
    assert "reconnecting" in shown
    assert "connection refused" in shown


def test_an_endless_source_has_no_bar() -> None:
    shown = drawn(duration_s=0.0)
    assert "0:05" in shown
    assert "%" not in shown
