"""``ingest --record`` and ``--serve``: files that are whole whatever ends them, and viewers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, rtmpdump
from tests.support.process import Process, eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

SHORT = Recipe(seconds=4, video_kbps=500, bframes=2)
LONG = Recipe(seconds=60, video_kbps=500, bframes=2, gop=50)
ENDINGS = ["ts", "flv", "mp4", "mkv"]


def ingest(*words: str, before: Sequence[str] = ()) -> Process:
    argv = [*before, sys.executable, "-m", "streamctl", "ingest", *words]
    return Process(argv, env={"NO_COLOR": "1"})


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recording_has_every_frame(media: MediaCache, tmp_path: Path, ending: str) -> None:
    made = media(SHORT)
    out = tmp_path / f"out.{ending}"
    with ingest(str(made.path), "--record", str(out)) as running:
        assert running.wait(30) == 0, running.output
    verdict = judge(out)
    assert verdict.decode_errors == []
    assert verdict.frames == made.recipe.frames
    assert verdict.missing == 0
    assert verdict.worst_offset_ms <= 40
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_file(
    media: MediaCache, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.mp4"
    part = tmp_path / "out.mp4.part"
    with ingest(str(media(LONG).path), "--record", str(out)) as running:
        eventually(lambda: part.exists() and part.stat().st_size > 200_000, 40, "some media")
        os.kill(running.pid, number)
        assert running.wait(30) == 130, running.output
    verdict = judge(out)
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert verdict.frames > 50
    assert not part.exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_crash_leaves_a_playable_part(media: MediaCache, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    part = tmp_path / f"out.{ending}.part"
    with ingest(str(media(LONG).path), "--record", str(out)) as running:
        eventually(lambda: part.exists() and part.stat().st_size > 300_000, 40, "some media")
        os.kill(running.pid, signal.SIGKILL)
        running.wait(30)
        assert not out.exists()
        verdict = judge(part)
        assert verdict.frames > 50
        assert verdict.missing == 0
    with ingest(str(media(LONG).path), "--record", str(out)) as again:
        assert again.wait(30) == 2
        assert "unfinished" in again.output


def test_a_disk_without_room_is_said(media: MediaCache, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    limit = ["bash", "-c", 'ulimit -f 100; exec "$@"', "-"]
    with ingest(str(media(LONG).path), "--record", str(out), before=limit) as running:
        assert running.wait(30) == 1, running.output
    assert "file too large" in running.output
    assert judge(out).frames > 10


def test_a_size_and_a_time_end_a_recording(media: MediaCache, tmp_path: Path) -> None:
    sized, timed = tmp_path / "sized.ts", tmp_path / "timed.mkv"
    source = str(media(LONG).path)
    with (
        ingest(source, "--record", str(sized), "--max-mb", "0.2") as first,
        ingest(source, "--record", str(timed), "--duration", "6") as second,
    ):
        assert first.wait(30) == 0, first.output
        assert second.wait(30) == 0, second.output
    assert 150_000 < sized.stat().st_size <= 200_000
    assert 1 < judge(timed).video_s < 7


def test_a_served_source_can_be_watched_where_it_says(media: MediaCache, tmp_path: Path) -> None:
    where = ["--rtmp", f"{HOST}:0", "--http", f"{HOST}:0", "--name", "show", "--json"]
    out = tmp_path / "seen.flv"
    with ingest(str(media(LONG).path), "--serve", *where) as running:
        eventually(lambda: "index.m3u8" in running.output, 40, "the URLs")
        eventually(lambda: '"position_s"' in running.output, 40, "a report")
        line = next(line for line in running.output.splitlines() if line.startswith("{"))
        urls = {url.rpartition("/")[2]: url for url in json.loads(line)["watch"]}
        with rtmpdump(urls["show"], out) as viewer:
            eventually(lambda: out.exists() and out.stat().st_size > 200_000, 40, "media")
            viewer.stop(signal.SIGINT)
        listed = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", urls["index.m3u8"]],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert "h264" in listed.stdout, listed.stderr
        running.stop(signal.SIGINT)
        assert running.wait(30) == 130
    verdict = judge(out)
    assert verdict.decode_errors == []
    assert verdict.missing == 0
