"""A publisher dies and comes back: everybody stays, and sees one clean splice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, ffmpeg_publish, stream_toml
from tests.support.viewers import Seen, Viewers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

FIRST = Recipe(seconds=60, video_kbps=800, bframes=2, gop=50)
SMALLER = Recipe(seconds=60, video_kbps=500, gop=25, width=240, height=160, sample_rate=44_100)
VIEWERS = ["rtmp", "librtmp", "http-ts", "hls"]


def interrupt(folder: Path, media: MediaCache, recipe: Recipe) -> Seen:
    first, second = media(FIRST).path, media(recipe).path
    with (
        Streamctl(folder, stream_toml("news")) as server,
        ffmpeg_publish(first, server.rtmp()) as publisher,
    ):
        server.wait_on_air()
        with Viewers(server, folder, page=True) as viewers:
            viewers.wait_media(4)
            before = viewers.lasting()
            publisher.kill()
            server.wait_off_air()
            with ffmpeg_publish(second, server.rtmp()):
                server.wait_on_air()
                viewers.wait_media(8)
                viewers.receiving()
                assert before <= viewers.lasting()
                return viewers.stop()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Seen:
    return interrupt(tmp_path_factory.mktemp("same"), media, FIRST)


@pytest.mark.parametrize("viewer", VIEWERS)
def test_every_viewer_goes_on_with_one_clean_splice(seen: Seen, viewer: str) -> None:
    verdict = seen.verdicts[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.restarts == [0]
    assert verdict.missing == verdict.repeated == 0
    # A publisher that is slow to begin leaves a gap; one that was ahead of its time, none.
    assert len(verdict.video_gaps) <= 1
    assert verdict.worst_offset_ms <= 40


def test_the_transport_stream_announces_the_cut(seen: Seen) -> None:
    assert seen.ts_report.continuity_errors == []


def test_hls_marks_one_discontinuity(seen: Seen) -> None:
    assert faults(seen.hls) == []
    assert sum(segment.discontinuity for segment in seen.hls.listed.values()) == 1


def test_the_player_page_recovers(seen: Seen) -> None:
    assert seen.page is not None
    assert seen.page.errors == []
    assert seen.page.ready >= 2


def test_another_size_and_rate_reaches_every_viewer(
    tmp_path_factory: pytest.TempPathFactory, media: MediaCache
) -> None:
    seen = interrupt(tmp_path_factory.mktemp("other"), media, SMALLER)
    assert seen.page is not None
    assert (seen.page.width, seen.page.height) == (240, 160)
    assert faults(seen.hls) == []
    for name in ("http-ts", "hls"):
        verdict = seen.verdicts[name]
        assert verdict.restarts == [0], name
        assert verdict.dts_disorder == 0, name
        assert verdict.decode_errors == [], name
