"""Streams that are fetched from other servers: nginx, node-media-server, and ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import self_signed
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, HOST, Streamctl, ffmpeg_publish, pull_toml, stream_toml
from tests.support.process import eventually
from tests.support.recorded import assert_clean, record_rtmp
from tests.support.upstream import nginx, node_media_server

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)


def test_an_upstream_that_dies_is_found_again(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(tmp_path, pull_toml(there.url("x"))) as server,
    ):
        with ffmpeg_publish(path, there.url("x")):
            server.wait_on_air()
            assert_clean(record_rtmp(server.rtmp(), tmp_path / "before.flv"))
            there.kill()
            server.wait_off_air()
            eventually(lambda: "connection refused" in server.source()["last_error"], 30, "why")
            there.start()
        with ffmpeg_publish(path, there.url("x")):
            server.wait_on_air(timeout_s=30)
            assert_clean(record_rtmp(server.rtmp(), tmp_path / "after.flv"))
            assert server.source()["reconnects"] >= 1
            assert server.stream()["causes"] == []


def test_a_publisher_that_comes_to_the_upstream_late_is_waited_for(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(tmp_path, pull_toml(there.url("x"))) as server,
    ):
        eventually(lambda: server.source()["last_error"], 40, "nothing comes")
        assert "no packets" in server.source()["last_error"]
        with ffmpeg_publish(media(RECIPE).path, there.url("x")):
            server.wait_on_air(timeout_s=30)


def test_a_stream_that_is_not_there_is_said(tmp_path: Path, media: MediaCache) -> None:
    (tmp_path / "there").mkdir()
    with Streamctl(tmp_path / "there", stream_toml("y")) as there:
        url = there.rtmp("x")
        with Streamctl(tmp_path, pull_toml(f"{url}?key=s3cret-key")) as server:
            eventually(lambda: "no stream" in server.source()["last_error"], 30, "why")
            there.rewrite(stream_toml("x"))
            eventually(lambda: there.stream("x"), 30, "the stream is configured")
            with ffmpeg_publish(media(RECIPE).path, url):
                server.wait_on_air(timeout_s=30)
                assert_clean(record_rtmp(server.rtmp(), tmp_path / "x.flv"))
            assert "s3cret" not in server.output + str(server.stream())


def test_node_media_server_is_pulled_from(tmp_path: Path, media: MediaCache) -> None:
    with node_media_server(tmp_path / "nms") as port:
        url = f"rtmp://{HOST}:{port}/live/x"
        with (
            ffmpeg_publish(media(RECIPE).path, url),
            Streamctl(tmp_path, pull_toml(url)) as server,
        ):
            server.wait_on_air()
            assert_clean(record_rtmp(server.rtmp(), tmp_path / "x.flv"))


@pytest.mark.needs("openssl")
def test_an_upstream_over_tls_must_be_trusted(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    pair = self_signed(folder)
    listener = f'[listeners.rtmps]\naddress = "{HOST}:0"\n'
    listener += f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    with (
        Streamctl(folder, stream_toml("x"), head=CONFIG + listener) as there,
        ffmpeg_publish(media(RECIPE).path, there.rtmp("x")),
    ):
        there.wait_on_air("x")
        url = re.sub(r"^rtmp://[^/]+", f"rtmps://{HOST}:{there.port('rtmps')}", there.rtmp("x"))
        with Streamctl(tmp_path, pull_toml(url)) as server:
            eventually(lambda: "not trusted" in server.source()["last_error"], 30, "why")
            server.rewrite(pull_toml(url, f'tls_ca = "{pair.cert}"'))
            server.wait_on_air()
            assert_clean(record_rtmp(server.rtmp(), tmp_path / "x.flv"))
            trusting = there.players("x")
            server.rewrite(pull_toml(url, "tls_insecure = true"))
            eventually(lambda: there.players("x") - trusting, 30, "a new connection")
            server.wait_on_air()


def test_the_last_pictures_of_a_stream_are_no_stream(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    path = media(RECIPE).path
    with (
        Streamctl(folder, stream_toml("x")) as there,
        Streamctl(tmp_path, pull_toml(there.rtmp("x"))) as server,
    ):
        with ffmpeg_publish(path, there.rtmp("x")) as publisher:
            server.wait_on_air()
            publisher.kill()
        tried: set[str] = set()

        def attempts() -> int:
            tried.update(there.players("x"))
            return len(tried)

        eventually(lambda: attempts() > 2, 30, "further attempts")
        assert server.output.count("stream news: on air") == 1
        with ffmpeg_publish(path, there.rtmp("x")):
            server.wait_on_air(timeout_s=30)
