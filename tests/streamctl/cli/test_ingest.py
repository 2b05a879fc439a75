from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from rich.console import Console

from streamctl.cli import ingest
from streamctl.cli.app import run
from tests.streamctl.cli.status_of_job import job_status
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    import pytest


def test_a_line_has_the_essentials() -> None:
    assert ingest.line(job_status()) == "0:05 active h264+aac 1280x720 2628 kbit/s 25.0 fps"


def test_a_screen_has_tracks_and_rates() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(ingest.screen(job_status()))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for fact in ("0:05 of 0:10", "25.0 fps", "GOP 2.0 s", "avc1.64001f", "48000 Hz, 2 ch"):
        assert fact in shown


def test_a_file_is_taken_in_real_time(
    media: MediaCache, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"file:{media(Recipe(seconds=2)).path}?loop=true"
    assert run(["ingest", source, "--json", "--duration", "2.5"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert [track["codec"] for track in lines[-1]["media"]["tracks"]] == ["h264", "aac"]
    assert 0.5 < lines[-1]["position_s"] <= 3


def test_what_cannot_be_read_fails(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert run(["ingest", f"{tmp_path}/absent.mp4"]) != 0
    out, err = capsys.readouterr()
    assert "absent.mp4" in err
    assert "Traceback" not in err
    assert out == ""
