"""From one publisher to every kind of viewer, judged frame by frame."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, ffmpeg_publish, gst_publish, stream_toml
from tests.support.viewers import Seen, Viewers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.judge import Verdict
    from tests.support.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump", "gst-launch-1.0"),
    pytest.mark.timeout(240),
]

SYNC_MS = 40.0
"""Sound and picture may be this far apart."""
LONG_GOP = Recipe(
    seconds=60,
    video_kbps=800,
    bframes=2,
    fps=Fraction(30000, 1001),
    gop=60,
    sample_rate=44_100,
)
PLAIN = Recipe(seconds=60, video_kbps=800, gop=25)
SOUND = Recipe(seconds=60, video=False, audio_kbps=160)
VIEWERS = ["rtmp", "librtmp", "http-ts", "hls"]


def watch(
    tmp: pytest.TempPathFactory,
    media: MediaCache,
    recipe: Recipe,
    publish: Callable[..., Process] = ffmpeg_publish,
) -> Seen:
    folder = tmp.mktemp("on-air")
    made = media(recipe)
    with (
        Streamctl(folder, stream_toml("news")) as server,
        publish(made.path, server.rtmp()),
    ):
        server.wait_on_air()
        with Viewers(server, folder, page=True) as viewers:
            viewers.wait_media(8)
            return viewers.stop()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((LONG_GOP, ffmpeg_publish), id="ffmpeg-b-frames-29.97"),
        pytest.param((PLAIN, gst_publish), id="gstreamer-25"),
    ],
)
def seen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, media: MediaCache
) -> Seen:
    recipe, publish = request.param
    return watch(tmp_path_factory, media, recipe, publish)


def assert_clean(verdict: Verdict) -> None:
    assert verdict.codecs == ("h264", "aac")
    assert verdict.decode_errors == []
    assert verdict.starts_with_key
    assert verdict.frames > 100
    assert verdict.missing == verdict.repeated == verdict.unreadable == 0
    assert verdict.restarts == verdict.video_gaps == []
    assert verdict.dts_disorder == 0
    assert len(verdict.offsets_ms) >= 4
    assert verdict.worst_offset_ms <= SYNC_MS


@pytest.mark.parametrize("viewer", VIEWERS)
def test_every_viewer_sees_every_frame_in_sync(seen: Seen, viewer: str) -> None:
    assert_clean(seen.verdicts[viewer])


def test_the_transport_stream_keeps_its_rules(seen: Seen) -> None:
    report = seen.ts_report
    assert report.continuity_errors == []
    assert report.sync_errors == 0
    assert report.first_pids[0] == 0, "a join begins with the PAT"
    assert report.worst_pcr_s <= 0.1
    assert report.worst_psi_s <= 0.6


def test_playlists_and_segments_keep_their_rules(seen: Seen) -> None:
    assert faults(seen.hls) == []


def test_the_multivariant_playlist_tells_what_is_inside(seen: Seen) -> None:
    assert "avc1." in seen.hls.master
    assert "mp4a.40.2" in seen.hls.master
    assert "RESOLUTION=320x180" in seen.hls.master


def test_the_player_page_plays(seen: Seen) -> None:
    page = seen.page
    assert page is not None
    assert (page.width, page.height) == (320, 180)
    assert page.time > 3
    assert page.frames > 60
    assert page.audio_bytes > 0
    assert page.errors == []


def test_sound_alone_is_served(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> None:
    folder = tmp_path_factory.mktemp("sound")
    made = media(SOUND)
    with (
        Streamctl(folder, stream_toml("news")) as server,
        ffmpeg_publish(made.path, server.rtmp()),
    ):
        server.wait_on_air()
        with Viewers(server, folder) as viewers:
            viewers.wait_media(6)
            seen = viewers.stop()
    for verdict in seen.verdicts.values():
        assert verdict.codecs == ("aac",)
        assert verdict.decode_errors == []
        assert verdict.dts_disorder == 0
        assert verdict.audio_gaps == []
    assert faults(seen.hls) == []
