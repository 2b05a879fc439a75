from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamctl.cli.app import run
from streamctl.cli.output import NARROWEST, print_json, print_lines, print_text
from streamctl.cli.tables import table

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["plugins", "--server", ""],
        ["plugins", "--server", "", "--json"],
        ["--debug", "--version"],
        ["--version"],
        ["--help"],
        ["push", "--help"],
    ],
    ids=["text", "json", "lines", "version", "help", "command"],
)
def test_a_full_disk_is_named(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "streamctl", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
            check=False,
        )
    said = "error: can't write to standard output: no space left on device\n"
    assert done.stderr.endswith(said)
    assert "this is a bug" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 1


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "streamctl", "plugins", "--server", ""],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.stderr == ""


def terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """What is printed on a terminal with this encoding."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding))
    return printed


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_a_document_is_json_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in ("plain", "Nächte", "a → b", "a\udcff.mp4"):
        printed = terminal(monkeypatch, encoding)
        print_json({"title": title})
        assert json.loads(printed.getvalue().decode(encoding)) == {"title": title}


def test_what_an_encoding_has_no_character_for_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = terminal(monkeypatch, "ascii")
    assert run(["--version"]) == 0
    print_lines(["0 → 1"])
    assert printed.getvalue().splitlines()[1] == b"0 \\u2192 1"


def test_tables_are_not_squeezed_into_a_terminal_of_a_few_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    print_text(table(("A", "B"), [("x" * 30, "y" * (NARROWEST - 32))]))
    assert "y" * (NARROWEST - 32) in capsys.readouterr().out
