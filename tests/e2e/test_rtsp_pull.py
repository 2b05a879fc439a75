"""Streams that are pulled over RTSP: from gst-rtsp-server, from a scripted camera, and from us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, ffmpeg_record
from tests.support.process import eventually
from tests.support.rtsp_camera import Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.rtsp_servers import LOGIN, Wanted, gst_rtsp_server, playing
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)


def pull_toml(url: str, *lines: str, code: str = "news") -> str:
    keys = ["packet_timeout_s = 2", f"[[streams.{code}.inputs]]", f'url = "{url}"', *lines]
    return "\n".join([f"[streams.{code}]", *keys, ""])


def source(server: Streamctl) -> dict[str, Any]:
    found: dict[str, Any] = server.stream()["inputs"][0]
    return found


def record(server: Streamctl, path: Path, seconds: float = 4.0) -> Verdict:
    """What a viewer of the pulled stream gets."""
    with ffmpeg_record(server.rtmp(), path) as recording:
        eventually(lambda: media_time(path) > seconds, 30, f"{seconds} s of media")
        recording.stop(2)
    return judge(path)


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < 40
    assert verdict.codecs == ("h264", "aac")


@pytest.mark.parametrize("transport", ["auto", "tcp", "udp"])
def test_gst_rtsp_server_is_pulled(tmp_path: Path, media: MediaCache, transport: str) -> None:
    launch = playing(media(RECIPE).path)
    key = f'transport = "{transport}"'
    with gst_rtsp_server(Wanted(launch)) as (_, port):
        url = f"rtsp://127.0.0.1:{port}/x"
        with Streamctl(tmp_path, pull_toml(url, key)) as server:
            server.wait_on_air()
            clean(record(server, tmp_path / "x.flv"))
            link = source(server)["link"]
            assert link["transport"] == transport.replace("auto", "tcp")
            assert [track["lost"] for track in link["tracks"]] == [0, 0]
            assert server.stream()["causes"] == []


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_a_login_at_gst_rtsp_server_is_used(tmp_path: Path, media: MediaCache, auth: str) -> None:
    launch = playing(media(RECIPE).path)
    with gst_rtsp_server(Wanted(launch, auth=auth)) as (_, port):
        url = f"rtsp://{':'.join(LOGIN)}@127.0.0.1:{port}/x"
        with Streamctl(tmp_path, pull_toml(url)) as server:
            server.wait_on_air()
            clean(record(server, tmp_path / "x.flv"))
            assert LOGIN[1] not in server.output + str(server.stream())


def test_a_wrong_login_at_gst_rtsp_server_is_said(tmp_path: Path, media: MediaCache) -> None:
    launch = playing(media(RECIPE).path)
    with (
        gst_rtsp_server(Wanted(launch, auth="digest")) as (_, port),
        Streamctl(tmp_path, pull_toml(f"rtsp://a:wr0ng@127.0.0.1:{port}/x")) as server,
    ):
        eventually(lambda: "refuses the login" in source(server)["last_error"], 15, "why")
        assert "wr0ng" not in server.output + str(server.stream())


def test_gst_rtsp_server_that_takes_udp_only_is_pulled(tmp_path: Path, media: MediaCache) -> None:
    launch = playing(media(RECIPE).path)
    with (
        gst_rtsp_server(Wanted(launch, transports=("UDP",))) as (_, port),
        Streamctl(tmp_path, pull_toml(f"rtsp://127.0.0.1:{port}/x")) as server,
    ):
        server.wait_on_air()
        clean(record(server, tmp_path / "x.flv"))
        assert source(server)["link"]["transport"] == "udp"


def test_a_camera_that_restarts_is_found_again(tmp_path: Path) -> None:
    with (
        CameraServer(Camera(pictures=60, at_end="close", audio=True)) as camera,
        Streamctl(tmp_path, pull_toml(camera.url())) as server,
    ):
        eventually(lambda: len(camera.requests("DESCRIBE")) > 2, 30, "further attempts")
        assert source(server)["reconnects"] >= 1
        # None beside them: nothing is probed.
        assert len(camera.requests("PLAY")) >= camera.connections - 1
