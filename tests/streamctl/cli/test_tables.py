from __future__ import annotations

import io

import pytest
from rich.console import Console

from streamctl.cli import tables
from tests.support.control import stream


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (65.9, "1:05"), (3725, "1:02:05"), (86400 * 3 + 61, "3d 00:01:01")],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert tables.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (5e15, "5000.0 TB")],
)
def test_sizes_have_decimal_units(count: float, shown: str) -> None:
    assert tables.size(count) == shown


def test_numbers_survive_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(tables.streams([stream("news", source_addr="[2001:db8::1234:5678]:50000")]))
    assert isinstance(console.file, io.StringIO)
    out = console.file.getvalue()
    assert all(len(line) <= 80 for line in out.splitlines())
    for fact in ("news", "active", "2628", "25.0", "1:02:05", "KBIT/S", "VIEWERS"):
        assert fact in out


def test_what_gives_way_on_a_narrow_terminal_is_not_cut_off() -> None:
    console = Console(file=io.StringIO(), width=40)
    url = "rtsp://camera.example/stream1"
    console.print(tables.table(("NAME", "URL"), [("a name that stays", url)], wrap=("URL",)))
    assert isinstance(console.file, io.StringIO)
    rows = console.file.getvalue().splitlines()[2:]
    assert "".join(row[len("a name that stays") :].strip() for row in rows) == url


def test_what_peers_send_does_not_steer_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(tables.table(("CLIENT",), [("a\x1b]0;b\x07\nc",)]))
    assert isinstance(console.file, io.StringIO)
    assert "a\\x1b]0;b\\x07\\x0ac" in console.file.getvalue()
