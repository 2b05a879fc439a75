"""Streams that are pushed over RTSP: to FFmpeg, to gst-rtsp-server, and to us."""

from __future__ import annotations

from contextlib import ExitStack
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
from tests.support.recorded import assert_clean, record_ts
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
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, gop=25)
"""Without B-frames: the recorders of both servers lose the order of pictures otherwise."""
WITH_B_FRAMES = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)
LONG_GROUPS = Recipe(seconds=60, video_kbps=500, gop=100)
LATE_S = 0.7
"""A push that begins so long after a key picture begins with it."""
SECONDS = 5.0
TRANSPORTS = ("tcp", "udp", "http")


def push_toml(url: str, *lines: str, name: str = "copy") -> str:
    keys = [f'name = "{name}"', f'url = "{url}"', "retry_s = 0.5", *lines]
    return "\n".join(["[[streams.news.push]]", *keys, ""])


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


def test_our_own_server_takes_pushes(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    head = f'{CONFIG}[listeners.rtsp]\naddress = "{HOST}:0"\n'
    with Streamctl(folder, "".join(map(stream_toml, TRANSPORTS)), head=head) as there:
        url = f"rtsp://{HOST}:{there.port('rtsp')}/live/"
        pushes = (push_toml(f"{url}{one}", f'transport = "{one}"', name=one) for one in TRANSPORTS)
        with (
            Streamctl(tmp_path, stream_toml() + "".join(pushes)) as server,
            ffmpeg_publish(media(WITH_B_FRAMES).path, server.rtmp()),
            ExitStack() as stack,
        ):
            outs = {one: tmp_path / f"{one}.flv" for one in TRANSPORTS}
            for one, out in outs.items():
                there.wait_on_air(one)
                stack.enter_context(ffmpeg_record(there.rtmp(one), out))
            for out in outs.values():
                assert_clean(written(out))


def test_ffmpeg_takes_a_push(tmp_path: Path, media: MediaCache) -> None:
    out = tmp_path / "x.mkv"
    with (
        ffmpeg_listening(out) as (_, url),
        Streamctl(tmp_path, stream_toml() + push_toml(url)) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        reaches(server, "active")
        assert_clean(written(out))
        assert push_of(server)["left_out"] == ""


@pytest.mark.parametrize(("transport", "auth"), [("auto", ""), ("udp", "digest")])
def test_gst_rtsp_server_takes_a_push(
    tmp_path: Path, media: MediaCache, transport: str, auth: str
) -> None:
    """It tells the times of pictures by when they come, which a burst of the past would spoil."""
    out = tmp_path / "x.mkv"
    wanted = Wanted(recording(out), record=True, auth=auth)
    login = f"{':'.join(LOGIN)}@" if auth else ""
    with (
        gst_rtsp_server(wanted) as (_, port),
        Streamctl(tmp_path, stream_toml()) as server,
        ffmpeg_publish(media(LONG_GROUPS).path, server.rtmp()),
    ):
        server.wait_on_air()
        record_ts(server, LATE_S)
        url = f"rtsp://{login}127.0.0.1:{port}/live/x"
        server.rewrite(stream_toml() + push_toml(url, f'transport = "{transport}"'))
        whole(written(out))
        assert LOGIN[1] not in server.output


def test_a_server_that_only_plays_is_said(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    with gst_rtsp_server(Wanted(playing(path))) as (_, port):
        url = f"rtsp://127.0.0.1:{port}/x"
        with (
            Streamctl(tmp_path, stream_toml() + push_toml(url)) as server,
            ffmpeg_publish(path, server.rtmp()),
        ):
            eventually(lambda: push_of(server)["last_error"], 40, "why")
            assert "405" in push_of(server)["last_error"]
