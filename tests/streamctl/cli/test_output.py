from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
            timeout=30,
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
            timeout=30,
            check=False,
        )
    assert done.stderr == ""
