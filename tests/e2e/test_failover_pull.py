"""An SRT encoder with an RTMP pull, an RTSP pull and a slate behind it, none of them connected."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.audience import KINDS
from tests.support.media import MediaCache, Recipe
from tests.support.rehearsal import KEYS, Rehearsal, Review, in_sync

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx"),
    pytest.mark.timeout(180),
]

MEDIA = Recipe(seconds=20, video_kbps=500, gop=25, bframes=2)
TRANSPORT = Recipe(seconds=20, container="ts", video_kbps=500, gop=25, bframes=2)
SLATE = Recipe(seconds=8, video_kbps=300, gop=25, bframes=2)
TABLE = f"""
inputs = ["publish:", "rtmp://127.0.0.1:{{rtmp}}/live/feed", "rtsp://127.0.0.1:{{rtsp}}/live/feed"]
slate = "file:slate.mp4"
slate_after_s = 0.5
{KEYS}
"""
FEED = """
[streams.feed]
inputs = ["publish:"]
"""
SILENCE_S = 2.0
COLD_S = 2.5
"""A connection, a keyframe, and half a second; on a busy machine."""


def rehearse(folder: Path, media: MediaCache) -> Review:
    (folder / "slate.mp4").write_bytes(media(SLATE).path.read_bytes())
    with Rehearsal(folder, TABLE, more=FEED) as show:
        show.encoder("feed", media(MEDIA).path, show.server.rtmp("feed"))
        show.server.wait_on_air("feed")
        show.server.wait_input(1)
        show.encoder("main", media(TRANSPORT).path, show.server.srt("publish:news"))
        show.act("main arrives", 0)
        show.settled(1, "idle")
        show.opens()
        show.plays(3)
        began = time.time()
        show.kill("main")
        show.act("main killed", 1, at=began)
        show.plays(3)
        began = time.time()
        show.kill("feed")
        show.act("feed killed", 3, at=began)
        show.plays(2)
        show.encoder("feed again", media(MEDIA).path, show.server.rtmp("feed"))
        show.server.wait_on_air("feed")
        began = time.time()
        show.act("feed back", 1, at=began)
        show.plays(4)
        return show.closes()


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return rehearse(tmp_path_factory.mktemp("show"), media)


def test_pulls_are_connected_to_when_they_are_needed(review: Review) -> None:
    names = [(act.name, act.after, act.reason) for act in review.acts]
    assert names[:3] == [
        ("main arrives", 0, "failback"),
        ("main killed", 1, "timeout"),
        ("feed killed", 3, "slate"),
    ]
    assert names[3][2] in ("recovery", "failback")


def test_a_cold_standby_is_on_air_soon(review: Review) -> None:
    assert review.acts[1].noticed_s <= SILENCE_S + COLD_S


@pytest.mark.parametrize("viewer", KINDS)
def test_every_viewer_goes_on(review: Review, viewer: str) -> None:
    verdict = review.seen[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert in_sync(review, viewer)
    assert max(review.gaps(viewer), default=0) <= SILENCE_S + COLD_S


def test_the_transport_stream_keeps_its_counters(review: Review) -> None:
    assert review.ts_errors == []


def test_hls_marks_each_cut_once(review: Review) -> None:
    assert review.hls_faults == []
    assert review.discontinuities >= 3
