"""HLS that is pulled: from ffmpeg and nginx, from our own server, and from bad ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.support.hls_origin import FORMS, live, live_groups, origin, segmented, segments, vod
from tests.support.judge import judge
from tests.support.ll_origin import PART_S, low_latency
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HttpRecorder, Streamctl, ffmpeg_publish, stream_toml
from tests.support.process import eventually
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=25)
SHORT = Recipe(seconds=6, video_kbps=1000, bframes=2, gop=25)


def pull_toml(url: str, *lines: str) -> str:
    keys = ["packet_timeout_s = 2", "[[streams.news.inputs]]", f'url = "{url}"', *lines]
    return "\n".join(["[streams.news]", *keys, ""])


def source(server: Streamctl) -> dict[str, Any]:
    found: dict[str, Any] = server.stream()["inputs"][0]
    return found


def record(server: Streamctl, seconds: float = 8.0) -> bytes:
    with HttpRecorder(server.http("/news/mpegts")) as recorder:
        time.sleep(seconds)
        return whole_units(recorder.stop())


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < 40
    assert verdict.codecs == ("h264", "aac")
    assert verdict.frames > 120


@pytest.mark.parametrize("form", FORMS)
def test_what_ffmpeg_writes_is_played(form: str, tmp_path: Path, media: MediaCache) -> None:
    with (
        origin(tmp_path / "there") as site,
        live(media(RECIPE).path, site, form, *FORMS[form]),
    ):
        eventually(lambda: segments(site, f"{form}/index.m3u8") >= 4, 30, "segments")
        with Streamctl(tmp_path, pull_toml(site.url(f"{form}/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server)
            assert source(server)["reconnects"] == 0
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_pictures_and_sound_apart_are_played_together(
    kind: str, tmp_path: Path, media: MediaCache
) -> None:
    with origin(tmp_path / "there") as site, live_groups(media(RECIPE).path, site, "x", kind):
        eventually(lambda: segments(site, "x/low.m3u8") >= 4, 30, "segments")
        eventually((site.www / "x/index.m3u8").exists, 5, "variants")
        with Streamctl(tmp_path, pull_toml(site.url("x/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server)
            assert "/high.m3u8" in site.log()
            assert "/low.m3u8" not in site.log()
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []


def test_our_own_server_is_pulled(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    with (
        Streamctl(folder, stream_toml("x")) as there,
        ffmpeg_publish(media(RECIPE).path, there.rtmp("x")),
    ):
        there.wait_on_air("x")
        eventually(lambda: urlopen(there.http("/x/index.m3u8")).read(), 15, "a playlist")
        with Streamctl(tmp_path, pull_toml(there.http("/x/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server)
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []


def test_a_playlist_that_ends_is_played_once_and_to_its_end(
    tmp_path: Path, media: MediaCache
) -> None:
    with origin(tmp_path / "there") as site:
        vod(media(SHORT).path, site, "x")
        with Streamctl(tmp_path, pull_toml(site.url("moved/x/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server, 7)
            server.wait_off_air(timeout_s=10)
            assert server.stream()["causes"]
            verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0
    assert verdict.numbers[-1] == SHORT.frames - 1


def test_counters_that_begin_anew_in_each_segment_are_no_losses(
    tmp_path: Path, media: MediaCache
) -> None:
    with origin(tmp_path / "there") as site:
        segmented(media(RECIPE).path, site, "x")
        with Streamctl(tmp_path, pull_toml(site.url("x/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server)
            assert source(server)["transport"]["lost_packets"] == 0
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []


@pytest.mark.parametrize("form", ["ts", "fmp4"])
def test_a_playlist_that_ends_is_played_in_a_loop(
    form: str, tmp_path: Path, media: MediaCache
) -> None:
    with origin(tmp_path / "there") as site:
        vod(media(SHORT).path, site, "x", *FORMS[form])
        with Streamctl(tmp_path, pull_toml(site.url("x/index.m3u8"), "loop = true")) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server, 10)
    verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert 0 in verdict.restarts
    assert verdict.missing == 0
    assert max(verdict.video_gaps, default=0) < 0.2
    assert verdict.worst_offset_ms < 40
    assert inspect(ts).continuity_errors == []


def test_an_upstream_that_starts_over_is_followed(tmp_path: Path, media: MediaCache) -> None:
    """Its numbers and timestamps begin anew, under the same names."""
    path = media(RECIPE).path
    with (
        origin(tmp_path / "there") as site,
        live(path, site, "x") as first,
    ):
        eventually(lambda: segments(site, "x/index.m3u8") >= 6, 30, "segments")
        with Streamctl(tmp_path, pull_toml(site.url("x/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            with HttpRecorder(server.http("/news/mpegts")) as recorder:
                first.kill()
                with live(path, site, "x"):
                    time.sleep(18)
                    ts = whole_units(recorder.stop())
            assert source(server)["reconnects"] == 0
    verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert len(verdict.restarts) == 1
    assert inspect(ts).continuity_errors == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing.m3u8", "answers 404"),
        ("closed/x.m3u8", "answers 403"),
        ("page.m3u8", "not a playlist"),
        ("sealed.m3u8", "encrypted with `SAMPLE-AES`"),
        ("text.m3u8", "the segments are text"),
    ],
)
def test_what_can_not_be_played_is_said(path: str, words: str, tmp_path: Path) -> None:
    with origin(tmp_path / "there") as site:
        (site.www / "page.m3u8").write_text("<html></html>")
        head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
        key = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"\n'
        (site.www / "sealed.m3u8").write_text(f"{head}{key}#EXTINF:2,\na.vtt\n#EXT-X-ENDLIST\n")
        (site.www / "text.m3u8").write_text(f"{head}#EXTINF:2,\na.vtt\n#EXT-X-ENDLIST\n")
        (site.www / "a.vtt").write_text("WEBVTT\n")
        with Streamctl(tmp_path, pull_toml(site.url(path))) as server:
            eventually(lambda: words in source(server)["last_error"], 15, words)


def test_a_variant_that_fails_is_left_for_the_next_best(tmp_path: Path, media: MediaCache) -> None:
    with origin(tmp_path / "there") as site, live(media(RECIPE).path, site, "good"):
        eventually(lambda: segments(site, "good/index.m3u8") >= 4, 30, "segments")
        lines = ["#EXTM3U"]
        for bandwidth, uri in ((3000, "gone.m3u8"), (1000, "good/index.m3u8")):
            lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}000", uri]
        (site.www / "index.m3u8").write_text("\n".join(lines))
        with Streamctl(tmp_path, pull_toml(site.url("index.m3u8"))) as server:
            server.wait_on_air(timeout_s=30)
            clean(judge(record(server)))
            assert source(server)["reconnects"] == 0


def test_parts_are_played_as_they_come(tmp_path: Path, media: MediaCache) -> None:
    recipe = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=10)
    with (
        low_latency(media(recipe).path, tmp_path / "there") as there,
        Streamctl(tmp_path, pull_toml(there.url())) as server,
    ):
        server.wait_on_air(timeout_s=20)
        ts = record(server)
        asked = list(there.asked)
        behind = there.parts * PART_S
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []
    assert not any("/s" in path for path in asked), "parts were fetched, no segments"
    assert any("_HLS_msn" in path for path in asked)
    parts = [path for path in asked if "/p" in path]
    assert len(parts) == len(set(parts)), "each part once, although some before they are listed"
    assert behind - judge(ts).numbers[-1] / 25 < 3, "seconds from the server's newest part"
