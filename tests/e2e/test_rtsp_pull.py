"""Streams that are pulled over RTSP: from gst-rtsp-server, from a scripted camera, and from us."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import self_signed
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    Streamctl,
    ffmpeg_publish,
    ffmpeg_record,
    pull_toml,
    stream_toml,
)
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.recorded import assert_clean
from tests.support.rtsp_camera import Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.rtsp_servers import LOGIN, Wanted, gst_rtsp_server, playing
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)


def lasts(path: Path, seconds: float) -> bool:
    return media_time(path) > seconds


def record(server: Streamctl, folder: Path, *codes: str, seconds: float = 4.0) -> list[Verdict]:
    """What viewers of pulled streams get, all at once."""
    paths = [folder / f"{code}.flv" for code in codes]
    with ExitStack() as stack:
        for code, path in zip(codes, paths, strict=True):
            server.wait_on_air(code)
            stack.enter_context(ffmpeg_record(server.rtmp(code), path))
        for path in paths:
            eventually(partial(lasts, path, seconds), 30, f"{seconds} s of media")
    return [judge(path) for path in paths]


@contextmanager
def upstream(tmp_path: Path, media: MediaCache, *lines: str) -> Iterator[Streamctl]:
    """A server of ours with the stream ``x`` on air."""
    folder = tmp_path / "there"
    folder.mkdir()
    listener = "\n".join(["[listeners.rtsp]", f'address = "{HOST}:0"', *lines, ""])
    with (
        Streamctl(folder, stream_toml("x"), head=CONFIG + listener) as there,
        ffmpeg_publish(media(RECIPE).path, there.rtmp("x")),
    ):
        there.wait_on_air("x")
        yield there


def test_our_own_server_is_pulled(tmp_path: Path, media: MediaCache) -> None:
    port = free_port() & ~1
    groups = ('multicast = "239.0.113.0/24"', f"multicast_port = {port}", 'interface = "lo"')
    ways = ("tcp", "udp", "multicast", "http")
    with upstream(tmp_path, media, *groups) as there:
        url = f"rtsp://{HOST}:{there.port('rtsp')}/live/x"
        lo = 'interface = "lo"'
        toml = "".join(pull_toml(url, f'transport = "{way}"', lo, code=way) for way in ways)
        with Streamctl(tmp_path, toml) as server:
            for way, verdict in zip(ways, record(server, tmp_path, *ways), strict=True):
                assert_clean(verdict)
                assert verdict.worst_offset_ms < 2
                assert server.source(way)["link"]["transport"] == way.replace("http", "tcp")


@pytest.mark.needs("openssl")
def test_a_server_over_tls_must_be_trusted(tmp_path: Path, media: MediaCache) -> None:
    pair = self_signed(tmp_path)
    keys = ("[listeners.rtsps]", f'address = "{HOST}:0"')
    files = (f'tls_cert = "{pair.cert}"', f'tls_key = "{pair.key}"')
    with upstream(tmp_path, media, *keys, *files) as there:
        url = f"rtsps://{HOST}:{there.port('rtsps')}/live/x"
        with Streamctl(tmp_path, pull_toml(url)) as server:
            eventually(lambda: "not trusted" in server.source()["last_error"], 30, "why")
            server.rewrite(pull_toml(url, f'tls_ca = "{pair.cert}"'))
            server.wait_on_air()
            [verdict] = record(server, tmp_path, "news")
            assert_clean(verdict)
            trusting = there.players("x")
            server.rewrite(pull_toml(url, "tls_insecure = true"))
            eventually(lambda: there.players("x") - trusting, 30, "a new connection")
            server.wait_on_air()


def test_gst_rtsp_server_is_pulled(tmp_path: Path, media: MediaCache) -> None:
    """By login and without, over what is asked for, and over what the server has."""
    launch = playing(media(RECIPE).path)
    user = ":".join(LOGIN)
    with (
        gst_rtsp_server(Wanted(launch, auth="basic")) as (_, first),
        gst_rtsp_server(Wanted(launch, auth="digest")) as (_, second),
        gst_rtsp_server(Wanted(launch, transports=("UDP",))) as (_, third),
    ):
        toml = (
            pull_toml(f"rtsp://{user}@{HOST}:{first}/x", code="tcp"),
            pull_toml(f"rtsp://{user}@{HOST}:{second}/x", 'transport = "udp"', code="udp"),
            pull_toml(f"rtsp://{HOST}:{third}/x", code="only"),
        )
        with Streamctl(tmp_path, "".join(toml)) as server:
            for verdict in record(server, tmp_path, "tcp", "udp", "only"):
                assert_clean(verdict)
            links = {code: server.source(code)["link"] for code in ("tcp", "udp", "only")}
            causes = [server.stream(code)["causes"] for code in links]
            seen = server.output + str([server.stream(code) for code in links])
    assert [link["transport"] for link in links.values()] == ["tcp", "udp", "udp"]
    assert [track["lost"] for link in links.values() for track in link["tracks"]] == [0] * 6
    assert causes == [[], [], []]
    assert LOGIN[1] not in seen


def test_a_wrong_login_at_gst_rtsp_server_is_said(tmp_path: Path, media: MediaCache) -> None:
    launch = playing(media(RECIPE).path)
    with (
        gst_rtsp_server(Wanted(launch, auth="digest")) as (_, port),
        Streamctl(tmp_path, pull_toml(f"rtsp://a:wr0ng@127.0.0.1:{port}/x")) as server,
    ):
        eventually(lambda: "refuses the login" in server.source()["last_error"], 30, "why")
        assert "wr0ng" not in server.output + str(server.stream())


def test_a_camera_that_restarts_is_found_again(tmp_path: Path) -> None:
    with (
        CameraServer(Camera(pictures=60, at_end="close", audio=True)) as camera,
        Streamctl(tmp_path, pull_toml(camera.url())) as server,
    ):
        eventually(lambda: len(camera.requests("DESCRIBE")) > 2, 30, "further attempts")
        assert server.source()["reconnects"] >= 1
        # None beside them: nothing is probed.
        assert len(camera.requests("PLAY")) >= camera.connections - 1
