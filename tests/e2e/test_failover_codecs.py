"""Spare encoders with other codecs, sizes and tracks: everybody follows, or is told why not."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.media import Recipe
from tests.support.rehearsal import KEYS, Rehearsal
from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.rehearsal import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx"),
    pytest.mark.timeout(180),
]

MAIN = Recipe(seconds=20, video_kbps=500, gop=25)
SMALL = Recipe(
    seconds=20, video_kbps=300, gop=25, width=240, height=160, sample_rate=44_100, channels=1
)
HEVC = Recipe(seconds=20, container="ts", video_codec="hevc", video_kbps=300, gop=25)
RADIO = Recipe(seconds=20, container="ts", video=False, audio_codec="mp2")
TABLE = f"""
inputs = ["publish:", "publish:", "publish:"]
standby = "hot"
{KEYS}
"""
FLEXIBLE = ("rtmp", "push", "http-flv", "srt", "http-ts", "hls")
TRANSPORT = ("http-ts", "hls")
BOUND = ("rtsp",)
"""Who can't go on with what was not described at the beginning."""


def run(*argv: str) -> str:
    """What a program has to say."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def sizes_change(folder: Path, media: MediaCache) -> Review:
    """Another size, rate and number of channels, and back."""
    with Rehearsal(folder, TABLE, kinds=FLEXIBLE + BOUND, leaving=BOUND) as show:
        show.encoder("main", media(MAIN).path)
        show.server.wait_input(0)
        show.encoder("small", media(SMALL).path)
        show.settled(1, "standby")
        show.opens()
        show.plays(2)
        began = time.time()
        show.kill("main")
        show.act("main killed", 1, at=began)
        show.plays(4)
        show.encoder("main", media(MAIN).path)
        show.act("main back", 0)
        show.plays(3)
        return show.closes()


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return sizes_change(tmp_path_factory.mktemp("sizes"), media)


@pytest.mark.parametrize("viewer", FLEXIBLE)
def test_another_size_and_another_sound_are_followed(sizes: Review, viewer: str) -> None:
    verdict = sizes.seen[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert max(sizes.gaps(viewer), default=0) <= 0.5
    assert verdict.duration_s >= 8


def test_who_was_promised_something_else_is_told(sizes: Review) -> None:
    [reason] = sizes.farewells["rtsp"]
    assert "other tracks" in reason


def codecs_change(folder: Path, media: MediaCache) -> Review:
    """From AVC to HEVC, to sound alone, and back; players of RTMP can't follow all of that."""
    with Rehearsal(folder, TABLE, kinds=("rtmp", *TRANSPORT), leaving=("rtmp",)) as show:
        show.encoder("main", media(MAIN).path)
        show.server.wait_input(0)
        show.encoder("hevc", media(HEVC).path, show.server.srt("publish:news"))
        show.settled(1, "standby")
        show.encoder("radio", media(RADIO).path, show.server.srt("publish:news"))
        show.settled(2, "standby")
        show.opens()
        show.plays(2)
        for name, after in (("main", 1), ("hevc", 2)):
            began = time.time()
            show.kill(name)
            show.act(f"{name} killed", after, at=began)
            show.plays(3)
        show.encoder("main", media(MAIN).path)
        show.act("main back", 0)
        show.plays(3)
        return show.closes(judged=False)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return codecs_change(tmp_path_factory.mktemp("codecs"), media)


def test_another_codec_and_sound_alone_crash_nothing(codecs: Review) -> None:
    assert [act.after for act in codecs.acts] == [1, 2, 0]
    assert "Traceback" not in codecs.log
    assert "converter_failed" not in codecs.log


@pytest.mark.parametrize("viewer", TRANSPORT)
def test_transport_streams_and_hls_bring_whatever_comes(codecs: Review, viewer: str) -> None:
    kept = str(codecs.kept[viewer])
    probe = ("-v", "error", "-show_entries", "packet=stream_index", "-of", "csv=p=0")
    patient = ("-probesize", "50M", "-analyzeduration", "100M")
    streams = set(run(tool("ffprobe"), *patient, *probe, kept).replace(",", "").split())
    assert streams == {"0", "1", "2", "3"}
    said = run(tool("ffmpeg"), "-v", "error", "-i", kept, "-map", "0", "-f", "null", "-")
    # Where a stream begins late ffmpeg doubles its first time, and then complains of it.
    assert [line for line in said.splitlines() if "to muxer in stream" not in line] == []
    assert codecs.ts_errors == []


def test_a_player_that_cannot_be_shown_anything_is_told(codecs: Review) -> None:
    [reason] = codecs.farewells["rtmp"]
    assert reason.startswith("RTMP can't carry MP2 audio: use ")
