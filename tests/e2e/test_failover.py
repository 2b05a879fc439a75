"""Two encoders and a slate fail in turn; players of every kind and a push stay all the way."""

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
SLATE = Recipe(seconds=8, video_kbps=300, gop=25, bframes=2)
TABLE = f"""
inputs = ["publish:", "publish:"]
slate = "file:slate.mp4"
slate_after_s = 0.5
standby = "hot"
{KEYS}
"""
SILENCE_S = 2.0
SEEN_S = 0.5
"""What viewers may miss beyond the time until a fault was noticed."""
SWITCH_S = 0.15
NOTICE_S = 0.35
"""A tick, and the slowness of a busy machine."""


def rehearse(folder: Path, media: MediaCache) -> Review:
    main, slate = media(MEDIA).path, media(SLATE).path
    (folder / "slate.mp4").write_bytes(slate.read_bytes())
    with Rehearsal(folder, TABLE) as show:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("spare", main)
        show.settled(1, "standby")
        show.settled(2, "standby")
        show.opens()
        show.plays(2)
        began = time.time()
        show.wish(1)
        show.act("wish", 1, at=began)
        show.plays(2)
        began = time.time()
        show.kill("spare")
        show.act("killed", 0, at=began)
        show.plays(3)
        began = time.time()
        show.freeze("main")
        show.act("frozen", 2, at=began)
        show.plays(3)
        began = time.time()
        show.encoder("again", main)
        show.act("back", 0, at=began)
        show.plays(4)
        return show.closes()


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return rehearse(tmp_path_factory.mktemp("show"), media)


def test_each_fault_is_answered_by_the_right_input_and_reason(review: Review) -> None:
    assert [(act.name, act.reason) for act in review.acts] == [
        ("wish", "manual"),
        ("killed", "error"),
        ("frozen", "slate"),
        ("back", "recovery"),
    ]


def test_faults_are_noticed_in_time(review: Review) -> None:
    wish, killed, frozen, _ = review.acts
    assert wish.noticed_s <= 1 + NOTICE_S
    assert killed.noticed_s <= SEEN_S
    assert frozen.noticed_s <= SILENCE_S + 0.5 + 2 * NOTICE_S


@pytest.mark.parametrize("viewer", KINDS)
def test_every_viewer_sees_clean_cuts(review: Review, viewer: str) -> None:
    verdict = review.seen[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert in_sync(review, viewer)
    assert len(verdict.restarts) >= 3


@pytest.mark.parametrize("viewer", KINDS)
def test_nobody_misses_more_than_the_time_until_the_fault_was_noticed(
    review: Review, viewer: str
) -> None:
    frozen = review.acts[2]
    gaps = review.gaps(viewer)
    assert len(gaps) <= 2
    assert max(gaps, default=0) <= frozen.noticed_s + SEEN_S
    assert sorted(gaps)[:-1] == [] or sorted(gaps)[-2] <= SEEN_S


def test_the_transport_stream_keeps_its_counters(review: Review) -> None:
    assert review.ts_errors == []


def test_hls_marks_each_cut_once(review: Review) -> None:
    assert review.hls_faults == []
    assert review.discontinuities == 4
