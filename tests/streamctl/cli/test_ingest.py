from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from streamctl.cli import ingest
from streamctl.cli.app import run
from tests.streamctl.cli.status_of_job import job_status
from tests.support.commands import unread
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from pathlib import Path


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
    assert run(["ingest", source, "--json", "--duration", "6"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) <= 6
    assert [track["codec"] for track in lines[-1]["media"]["tracks"]] == ["h264", "aac"]
    assert 0 < lines[-1]["position_s"] <= 6.5


def test_what_cannot_be_read_fails(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert run(["ingest", f"{tmp_path}/absent.mp4"]) != 0
    out, err = capsys.readouterr()
    assert "absent.mp4" in err
    assert "Traceback" not in err
    assert out == ""


def test_a_source_is_recorded(
    media: MediaCache, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = str(media(Recipe(seconds=2)).path)
    out = tmp_path / "out.ts"
    assert run(["ingest", source, "--record", str(out), "--json"]) == 0
    printed, said = capsys.readouterr()
    assert said.splitlines()[-1].startswith(f"note: recorded {out}, ")
    assert json.loads(printed.splitlines()[-1])["recording"]["file"] == str(out)
    assert out.stat().st_size % 188 == 0
    assert run(["ingest", source, "--record", str(out)]) == 2
    assert "--force" in capsys.readouterr().err


def test_a_recording_of_nothing_is_no_success(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["ingest", f"{tmp_path}/absent.mp4", "--record", f"{tmp_path}/out.ts"]
    assert run(arguments) == 5
    assert "absent.mp4" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_unknown_endings_name_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "rtmp://127.0.0.1:1/live/x", "--record", "out.avi"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert "out.avi" in error
    assert ".flv" in hint


def test_a_source_is_served_where_it_says(
    media: MediaCache, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(media(Recipe(seconds=2)).path)
    where = ["--rtmp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--name", "tv/one"]
    assert run(["ingest", source, "--serve", *where, "--json"]) == 0
    printed, said = capsys.readouterr()
    watch = json.loads(printed.splitlines()[0])["watch"]
    assert said.splitlines() == [f"note: watch {url}" for url in watch]
    assert any(url.startswith("rtmp://127.0.0.1:") for url in watch)
    assert any(url.endswith("/tv/one/index.m3u8") for url in watch)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--name", "a b", "letters, digits"),
        ("--rtmp", "nowhere", "HOST:PORT"),
        ("--http", "127.0.0.1:99999", "at most"),
    ],
)
def test_faulty_names_and_addresses_are_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    assert run(["ingest", "rtmp://127.0.0.1:1/live/x", "--serve", option, value]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--force"], ["--max-mb", "1"]])
def test_what_is_said_of_a_recording_needs_one(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "rtmp://127.0.0.1:1/live/x", *option]) == 2
    assert capsys.readouterr().err == (
        f"error: `{option[0]}` is for a recording\nhint: add `--record FILE`\n"
    )


def test_only_files_are_looped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "rtmp://127.0.0.1:1/live/x", "--loop"]) == 2
    assert "can't be looped" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_it_without_a_word(media: MediaCache) -> None:
    source = str(media(Recipe(seconds=6)).path)
    assert unread("ingest", source, "--json") == (1, "")
