"""The camera of the tests, as other programs see it."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.rtsp_camera import Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.tools import tool

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg"), pytest.mark.timeout(60)]

LOGIN = "admin:s3cret%20pass"


def pictures(url: str, transport: str) -> int:
    """How many pictures FFmpeg gets."""
    argv = [tool("ffmpeg"), "-nostdin", "-v", "error", "-rtsp_transport", transport]
    argv += ["-analyzeduration", "0", "-i", url, "-frames:v", "20", "-c", "copy", "-f", "framecrc"]
    done = subprocess.run([*argv, "-"], capture_output=True, text=True, timeout=40, check=False)
    return sum(line.startswith("0,") for line in done.stdout.splitlines())


@pytest.mark.parametrize("auth", ["", "basic", "digest", "both"])
def test_ffmpeg_plays_it_over_tcp(auth: str) -> None:
    with CameraServer(Camera(auth=auth, audio=True)) as camera:
        assert pictures(camera.url(login=LOGIN if auth else ""), "tcp") == 20
        assert camera.methods()[-1] == "TEARDOWN"


def test_ffmpeg_plays_it_over_udp() -> None:
    with CameraServer(Camera(audio=True)) as camera:
        assert pictures(camera.url(), "udp") == 20


def test_ffmpeg_plays_it_through_http() -> None:
    with CameraServer(Camera()) as camera:
        assert pictures(camera.url(), "http") == 20


def test_ffmpeg_is_refused_with_a_wrong_password() -> None:
    with CameraServer(Camera(auth="digest")) as camera:
        assert pictures(camera.url(login="admin:wrong"), "tcp") == 0
        assert camera.requests("SETUP") == []
