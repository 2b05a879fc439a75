"""FLV that is fetched over HTTP: from our own server, from ffmpeg, and from bad ones."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    HttpRecorder,
    Streamctl,
    ffmpeg,
    ffmpeg_publish,
    pull_toml,
    stream_toml,
)
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.recorded import assert_clean, record_ts, wait_media
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=30, video_kbps=1000, bframes=2, gop=25)
HEVC = Recipe(seconds=30, video_kbps=1000, gop=25, video_codec="hevc")
SECONDS = 4.0


def test_a_stream_of_another_server_is_fetched_if_it_is_flv(
    tmp_path: Path, media: MediaCache
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    with ExitStack() as running:
        there = running.enter_context(Streamctl(folder, stream_toml("x")))
        other = there.http("/x.ts").replace("http://", "http-flv+http://")
        config = pull_toml(there.http("/x.flv")) + pull_toml(other, code="other")
        server = running.enter_context(Streamctl(tmp_path, config))
        eventually(lambda: "503" in server.source()["last_error"], 30, "off air is said")
        with ffmpeg_publish(media(RECIPE).path, there.rtmp("x")):
            server.wait_on_air(timeout_s=30)
            ts = record_ts(server, SECONDS)
            eventually(lambda: "is no FLV" in server.source("other")["last_error"], 30, "why")
    assert_clean(judge(ts))
    assert inspect(ts).continuity_errors == []


def test_pictures_with_a_fourcc_are_fetched(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    path = media(HEVC).path
    roots = f'[server]\nmedia_roots = ["{path.parent}"]\n'
    there_toml = f'{roots}[streams.x]\ninputs = ["{path}"]\n'
    with (
        Streamctl(folder, there_toml) as there,
        Streamctl(tmp_path, pull_toml(there.http("/x.flv"))) as server,
    ):
        server.wait_on_air(timeout_s=30)
        assert_clean(judge(record_ts(server, SECONDS)), video="hevc")


def test_a_stream_that_breaks_is_fetched_again(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    path = media(RECIPE).path
    with (
        Streamctl(folder, stream_toml("x")) as there,
        Streamctl(tmp_path, pull_toml(there.http("/x.flv"))) as server,
        ffmpeg_publish(path, there.rtmp("x")) as publisher,
    ):
        server.wait_on_air(timeout_s=30)
        with HttpRecorder(server.http("/news/mpegts")) as recorder:
            wait_media(recorder, 3)
            publisher.kill()
            server.wait_off_air(timeout_s=30)
            since = len(recorder.data)
            with ffmpeg_publish(path, there.rtmp("x")):
                server.wait_on_air(timeout_s=30)
                wait_media(recorder, 4, since)
                ts = whole_units(recorder.stop())
    verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.restarts == [0]
    assert inspect(ts).continuity_errors == []


def test_ffmpeg_serves_and_is_fetched_from(tmp_path: Path, media: MediaCache) -> None:
    """It answers one client, then ends, and is started again."""
    port = free_port()
    url = f"http://{HOST}:{port}/live.flv"
    path = str(media(RECIPE).path)
    serve = ["-re", "-i", path, "-c", "copy", "-f", "flv", "-listen", "1", url]
    with Streamctl(tmp_path, pull_toml(url)) as server:
        eventually(lambda: "connection refused" in server.source()["last_error"], 30, "why")
        with ffmpeg(*serve):
            server.wait_on_air(timeout_s=30)
            assert_clean(judge(record_ts(server, SECONDS)))
        server.wait_off_air(timeout_s=30)
        with ffmpeg(*serve):
            server.wait_on_air(timeout_s=30)
