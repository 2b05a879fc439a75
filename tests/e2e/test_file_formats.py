"""Every container and codec that a file may have, played in real time and judged as recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import Verdict, judge, summary
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SHORT = Recipe(seconds=4, gop=25, video_kbps=300)
FORMATS = [
    replace(SHORT, container="mp4", video_codec="hevc", audio_codec="ac3"),
    replace(SHORT, container="mkv", video_codec="h264", audio_codec="flac", bframes=2),
    replace(SHORT, container="webm", video_codec="vp9", audio_codec="opus"),
    replace(SHORT, container="mkv", video_codec="av1", audio_codec="opus"),
    replace(SHORT, container="ts", video_codec="hevc", audio_codec="eac3"),
    replace(SHORT, container="flv", video_codec="h264", audio_codec="mp3", bframes=2),
    replace(SHORT, container="mp4", steps=(1, 2, 1, 3), fps=Fraction(30000, 1001)),
]
SOUNDS = ["aac", "mp3", "opus", "flac", "ac3"]
ENDINGS = {"aac": "aac", "mp3": "mp3", "opus": "ogg", "flac": "flac", "ac3": "ac3"}
"""Files of sound alone."""


def record(source: str, out: Path, *options: str) -> str:
    """Take a source in and record it; what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "streamctl", "ingest", source, "--record", str(out), *options],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def recorded(sources: dict[str, str], folder: Path, *options: str) -> dict[str, Verdict]:
    """Several sources at a time."""
    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(record, source, folder / f"{name}.mp4", *options)
            for name, source in sources.items()
        ]
    for done in running:
        done.result()
    return {name: judge(folder / f"{name}.mp4") for name in sources}


def test_every_format_arrives_whole(media: MediaCache, tmp_path: Path) -> None:
    sources = {f"{r.container}-{r.video_codec}-{r.audio_codec}": r for r in FORMATS}
    paths = {name: str(media(recipe).path) for name, recipe in sources.items()}
    verdicts = recorded(paths, tmp_path)
    for name, recipe in sources.items():
        verdict = verdicts[name]
        assert verdict.decode_errors == [], summary(verdicts)
        assert verdict.frames == recipe.frames, summary(verdicts)
        assert verdict.missing == 0, summary(verdicts)
        assert verdict.starts_with_key, summary(verdicts)
        assert verdict.dts_disorder == 0, summary(verdicts)
        assert verdict.worst_offset_ms <= 40, summary(verdicts)


def test_every_format_repeats_without_a_seam(media: MediaCache, tmp_path: Path) -> None:
    sources = {f"{r.container}-{r.video_codec}-{r.audio_codec}": r for r in FORMATS[:-1]}
    paths = {name: str(media(recipe).path) for name, recipe in sources.items()}
    verdicts = recorded(paths, tmp_path, "--loop", "--duration", "11")
    for verdict in verdicts.values():
        assert verdict.decode_errors == [], summary(verdicts)
        assert verdict.missing == 0, summary(verdicts)
        assert set(verdict.restarts) == {0}, summary(verdicts)
        assert max(verdict.video_gaps, default=0.0) < 3 / 25, summary(verdicts)
        assert all(abs(gap) < 0.06 for gap in verdict.audio_gaps), summary(verdicts)
        assert verdict.worst_offset_ms <= 60, summary(verdicts)


def test_sound_alone_arrives_whole(tmp_path: Path) -> None:
    paths = {}
    for codec in SOUNDS:
        path = tmp_path / f"tone.{ENDINGS[codec]}"
        source = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=48000"]
        encoder = {"mp3": "libmp3lame", "opus": "libopus"}.get(codec, codec)
        subprocess.run(
            ["ffmpeg", "-v", "error", *source, "-ac", "2", "-c:a", encoder, str(path)], check=True
        )
        paths[codec] = str(path)
    verdicts = recorded(paths, tmp_path)
    for codec, verdict in verdicts.items():
        assert verdict.codecs == (codec,), summary(verdicts)
        assert verdict.decode_errors == [], summary(verdicts)
        assert verdict.audio_gaps == [], summary(verdicts)
        assert verdict.duration_s == pytest.approx(3.0, abs=0.15), summary(verdicts)
