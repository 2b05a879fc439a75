"""Streams that are pushed over RTSP: to FFmpeg, to gst-rtsp-server, and to us."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    Streamctl,
    ffmpeg_publish,
    ffmpeg_record,
    stream_toml,
)
from tests.support.process import eventually
from tests.support.rtsp_servers import (
    LOGIN,
    Wanted,
    ffmpeg_listening,
    gst_rtsp_server,
    playing,
    recording,
)
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=60, video_kbps=500, gop=25)
"""Without B-frames: the recorders of both servers lose the order of pictures otherwise."""
WITH_B_FRAMES = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)
LONG_GROUPS = Recipe(seconds=60, video_kbps=500, gop=100)
LATE_S = 0.7
"""A push that begins so long after a key picture begins with it."""
SECONDS = 5.0


def push_toml(url: str, *lines: str, code: str = "news") -> str:
    keys = ['name = "copy"', f'url = "{url}"', "retry_s = 0.5", *lines]
    return "\n".join([f"[[streams.{code}.push]]", *keys, ""])


def push_of(server: Streamctl) -> dict[str, Any]:
    status, document = server.ask("/api/v1/streams/news/pushes")
    assert status == 200
    (found,) = document["pushes"]
    return dict(found)


def reaches(server: Streamctl, state: str, timeout_s: float = 20.0) -> None:
    eventually(lambda: push_of(server)["state"] == state, timeout_s, f"the push is {state}")


def written(path: Path) -> Verdict:
    """What a recorder got."""
    eventually(lambda: media_time(path) > SECONDS, 40, f"{SECONDS} s in {path}")
    return judge(path)


def whole(verdict: Verdict) -> None:
    """Nothing is missing; when it was shown, its recorder made up by when it came."""
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.codecs == ("h264", "aac")


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < 40
    assert verdict.codecs == ("h264", "aac")


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_our_own_server_takes_a_push(tmp_path: Path, media: MediaCache, transport: str) -> None:
    folder, out = tmp_path / "there", tmp_path / "x.flv"
    folder.mkdir()
    head = f'{CONFIG}[listeners.rtsp]\naddress = "{HOST}:0"\n'
    with Streamctl(folder, stream_toml("x"), head=head) as there:
        url = f"rtsp://{HOST}:{there.port('rtsp')}/live/x"
        toml = stream_toml() + push_toml(url, f'transport = "{transport}"')
        with (
            Streamctl(tmp_path, toml) as server,
            ffmpeg_publish(media(WITH_B_FRAMES).path, server.rtmp()),
        ):
            reaches(server, "active")
            there.wait_on_air("x")
            with ffmpeg_record(there.rtmp("x"), out) as recorder:
                eventually(lambda: media_time(out) > SECONDS, 40, f"{SECONDS} s of media")
                recorder.stop(2)
            clean(judge(out))


def test_ffmpeg_takes_a_push(tmp_path: Path, media: MediaCache) -> None:
    out = tmp_path / "x.mkv"
    with (
        ffmpeg_listening(out) as (_, url),
        Streamctl(tmp_path, stream_toml() + push_toml(url)) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        reaches(server, "active")
        clean(written(out))
        assert push_of(server)["left_out"] == ""


@pytest.mark.parametrize("transport", ["auto", "udp"])
@pytest.mark.parametrize("auth", ["", "digest"])
def test_gst_rtsp_server_takes_a_push(
    tmp_path: Path, media: MediaCache, transport: str, auth: str
) -> None:
    out = tmp_path / "x.mkv"
    wanted = Wanted(recording(out), record=True, auth=auth)
    login = f"{':'.join(LOGIN)}@" if auth else ""
    with gst_rtsp_server(wanted) as (_, port):
        url = f"rtsp://{login}127.0.0.1:{port}/live/x"
        toml = stream_toml() + push_toml(url, f'transport = "{transport}"')
        with (
            Streamctl(tmp_path, toml) as server,
            ffmpeg_publish(media(RECIPE).path, server.rtmp()),
        ):
            reaches(server, "active")
            whole(written(out))
            assert LOGIN[1] not in server.output


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_what_has_collected_is_no_burst(tmp_path: Path, media: MediaCache, transport: str) -> None:
    """GStreamer tells the times of pictures by when they come, and can't after a burst."""
    out = tmp_path / "x.mkv"
    with (
        gst_rtsp_server(Wanted(recording(out), record=True)) as (_, port),
        Streamctl(tmp_path, stream_toml()) as server,
        ffmpeg_publish(media(LONG_GROUPS).path, server.rtmp()),
    ):
        server.wait_on_air()
        time.sleep(LATE_S)
        url = f"rtsp://127.0.0.1:{port}/live/x"
        server.rewrite(stream_toml() + push_toml(url, f'transport = "{transport}"'))
        whole(written(out))


def test_a_server_that_only_plays_is_said(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    with gst_rtsp_server(Wanted(playing(path))) as (_, port):
        url = f"rtsp://127.0.0.1:{port}/x"
        with (
            Streamctl(tmp_path, stream_toml() + push_toml(url)) as server,
            ffmpeg_publish(path, server.rtmp()),
        ):
            eventually(lambda: push_of(server)["last_error"], 20, "why")
            assert "405" in push_of(server)["last_error"]
