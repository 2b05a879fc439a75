"""Spare encoders with other codecs, and without pictures: who can follows, or is told why not."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.failover import tracks
from tests.support.review import BUSY_S, broken
from tests.support.tools import tool

if TYPE_CHECKING:
    from tests.support.media import MediaCache
    from tests.support.review import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx"),
    pytest.mark.timeout(360),
]


def run(*argv: str) -> str:
    """What a program has to say."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return tracks.codecs(tmp_path_factory.mktemp("codecs"), media)


def test_another_codec_and_sound_alone_crash_nothing(codecs: Review) -> None:
    assert [act.after for act in codecs.acts] == [1, 2, 0]
    assert broken(codecs, BUSY_S) == []


@pytest.mark.parametrize("viewer", tracks.TRANSPORT)
def test_transport_streams_and_hls_bring_whatever_comes(codecs: Review, viewer: str) -> None:
    kept = str(codecs.kept[viewer])
    probe = ("-v", "error", "-show_entries", "packet=stream_index", "-of", "csv=p=0")
    patient = ("-probesize", "50M", "-analyzeduration", "100M")
    streams = set(run(tool("ffprobe"), *patient, *probe, kept).replace(",", "").split())
    assert streams == {"0", "1", "2", "3"}
    said = run(tool("ffmpeg"), "-v", "error", "-i", kept, "-map", "0", "-f", "null", "-")
    # Where a stream begins late ffmpeg doubles its first time, and then complains of it.
    assert [line for line in said.splitlines() if "to muxer in stream" not in line] == []


def test_a_player_that_cannot_be_shown_anything_is_told(codecs: Review) -> None:
    [reason] = codecs.farewells["rtmp"]
    assert reason.startswith("RTMP can't carry MP2 audio: use ")
