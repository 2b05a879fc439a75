"""Keys, users and limits at every door, with the programs that people log in with."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.doors import ENOUGH_BYTES, Doors, copied, curl, recorded, rtsp_publish
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HttpRecorder,
    ffmpeg_publish,
    gst,
    gst_publish,
    stream_toml,
)
from tests.support.process import Process, eventually
from tests.support.srt import RECEIVERS, SENDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "curl", "gst-launch-1.0", "srt-live-transmit"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=300, gop=25)
TS_RECIPE = Recipe(seconds=60, video_kbps=300, gop=25, container="ts")
SUM_OF_EVE = "sha256:qu6zObA7hXVvLsZJpXp4SB/Io2/SQklHBSrPNzh5NfI="
"""Of ``eve-both``: ``printf %s eve-both | openssl dgst -sha256 -binary | base64``."""
USERS = f"""users = [
  {{ name = "ann", password = "ann-in", publish = true }},
  {{ name = "bob", password = "bob-out", read = true }},
  {{ name = "eve", password = "{SUM_OF_EVE}", publish = true, read = true }},
]"""
KEYS = ('publish_key = "in"', 'read_key = "out"')
FILE = ("filesink", "buffer-mode=2")


def rtsp_gst_publish(path: Path, url: str) -> Process:
    """GStreamer publishes the video of a file over RTSP."""
    head = f"filesrc location={path} ! qtdemux name=d d.video_0 ! h264parse"
    sink = f"rtspclientsink location={url} protocols=tcp"
    return gst(*f"{head} ! identity sync=true ! {sink}".split())


Publish = Callable[[Doors, Path, Path, str, str], Process]
PUBLISHERS: dict[str, Publish] = {
    "rtmp by ffmpeg": lambda server, mp4, ts, user, word: ffmpeg_publish(
        mp4, server.rtmp("locked", f"?user={user}&pass={word}")
    ),
    "rtmps by ffmpeg": lambda server, mp4, ts, user, word: ffmpeg_publish(
        mp4, server.rtmps(f"live/locked?user={user}&pass={word}")
    ),
    "rtmp by GStreamer": lambda server, mp4, ts, user, word: gst_publish(
        mp4, server.rtmp("locked", f"?user={user}&pass={word}")
    ),
    "srt by ffmpeg": lambda server, mp4, ts, user, word: SENDERS[0].start(
        ts, server.srt(f"publish:locked:{user}:{word}")
    ),
    "srt by GStreamer": lambda server, mp4, ts, user, word: SENDERS[2].start(
        ts, server.srt(f"publish:locked:{user}:{word}")
    ),
    "srt by srt-live-transmit": lambda server, mp4, ts, user, word: SENDERS[3].start(
        ts, server.srt(f"#!::r=locked,m=publish,u={user},s={word}")
    ),
    "rtsp by ffmpeg": lambda server, mp4, ts, user, word: rtsp_publish(
        mp4, server.rtsp("locked", f"{user}:{word}@" if word else "")
    ),
    "rtsps by ffmpeg": lambda server, mp4, ts, user, word: rtsp_publish(
        mp4, server.rtsps("locked", f"{user}:{word}@" if word else "")
    ),
    "rtsp by GStreamer": lambda server, mp4, ts, user, word: rtsp_gst_publish(
        mp4, server.rtsp("locked", f"{user}:{word}@" if word else "")
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    streams = stream_toml("locked", *KEYS, USERS) + stream_toml("open", *KEYS, USERS)
    with Doors(tmp_path_factory.mktemp("server"), streams, limits="guesses_per_ip = 999") as one:
        yield one


@pytest.mark.parametrize("name", PUBLISHERS)
def test_publishers_are_known_by_name_and_password(
    server: Doors, media: MediaCache, name: str
) -> None:
    mp4, ts = media(RECIPE).path, media(TS_RECIPE).path
    start = PUBLISHERS[name]
    for user, word in (("ann", "ann-ni"), ("bob", "bob-out"), ("", "")):
        refused = server.stream("locked")["stats"]["refused"]
        with start(server, mp4, ts, user, word) as publisher:
            eventually(
                lambda: (
                    server.stream("locked")["stats"]["refused"] > refused  # noqa: B023
                    or not publisher.running()
                ),
                20,
                "a refusal",
            )
            assert server.stream("locked")["ingest_status"] != "active"
    for user, word in (("ann", "ann-in"), ("eve", "eve-both"), ("x", "in")):
        with start(server, mp4, ts, user, word) as publisher:
            server.wait_on_air("locked")
            publisher.stop(signal.SIGINT, 4)
        server.wait_off_air("locked")


def ours(path: Path, url: str) -> Process:
    """Our own command pushes a file."""
    return Process([sys.executable, "-m", "streamctl", "push", str(path), url, "--retries", "0"])


ASKED: dict[str, Callable[[Path, str], Process]] = {
    "ffmpeg": ffmpeg_publish,
    "GStreamer": gst_publish,
    "streamctl push": ours,
}


def test_publishers_of_rtmp_are_asked_for_their_user(tmp_path: Path, media: MediaCache) -> None:
    streams = stream_toml("locked", *KEYS, USERS) + stream_toml("open")
    mp4 = media(RECIPE).path
    with Doors(tmp_path, streams, rtmp="ask_user = true") as server:
        url = server.rtmp("locked")
        for start in ASKED.values():
            for login in ("ann:ann-ni@", "bob:bob-out@", ""):
                with start(mp4, url.replace("://", f"://{login}")) as refused:
                    assert refused.wait(30) != 0
                    assert server.stream("locked")["ingest_status"] != "active"
            for login in ("ann:ann-in@", "x:in@"):
                with start(mp4, url.replace("://", f"://{login}")) as publisher:
                    server.wait_on_air("locked")
                    publisher.stop(signal.SIGINT, 4)
                server.wait_off_air("locked")
        with ffmpeg_publish(mp4, url.replace("/live/", "/live?key=in/")):
            server.wait_on_air("locked")
            assert recorded(copied(server.rtmp("locked", "?key=out")), tmp_path / "out.ts")
        with ffmpeg_publish(mp4, server.rtmp("open").replace("://", "://any:body@")):
            server.wait_on_air("open")
        assert "ann-in" not in server.output + str(server.stream("locked"))


LOGINS = {
    "name and password": (("-u", "bob:bob-out"), "", 200),
    "a hashed password": (("-u", "eve:eve-both"), "", 200),
    "the key as password": (("-u", "x:out"), "", 200),
    "the key as name": (("-u", "out:"), "", 200),
    "a bearer token": (("-H", "Authorization: Bearer out"), "", 200),
    "the key in the query": ((), "?key=out", 200),
    "all in the query": ((), "?user=bob&pass=bob-out", 200),
    "nothing": ((), "", 401),
    "a wrong password": (("-u", "bob:bob-in"), "", 401),
    "a publisher": (("-u", "ann:ann-in"), "", 401),
    "the publishers' key": ((), "?key=in", 401),
}


@pytest.fixture(scope="module")
def on_air(server: Doors, media: MediaCache) -> Iterator[Doors]:
    with ffmpeg_publish(media(RECIPE).path, server.rtmp("open", "?key=in"), loop=True):
        server.wait_on_air("open")
        eventually(
            lambda: curl(server.http("/open/index.m3u8?key=out"))[0] == 200, 20, "a playlist"
        )
        yield server


@pytest.mark.parametrize("suffix", ["/mpegts", "/flv", "/index.m3u8", ""])
@pytest.mark.parametrize("login", LOGINS)
def test_viewers_over_http_log_in(on_air: Doors, login: str, suffix: str) -> None:
    options, query, expected = LOGINS[login]
    status, head = curl(on_air.http(f"/open{suffix}{query}"), *options)
    assert status == expected
    assert (b'WWW-Authenticate: Basic realm="streamctl"' in head) is (expected == 401)


Play = Callable[[Doors, str, str], Callable[[Path], Process]]
PLAYERS: dict[str, Play] = {
    "rtmp by ffmpeg": lambda server, user, word: copied(
        server.rtmp("open", f"?user={user}&pass={word}")
    ),
    "rtmps by ffmpeg": lambda server, user, word: copied(
        server.rtmps(f"live/open?user={user}&pass={word}")
    ),
    "rtsps by ffmpeg": lambda server, user, word: copied(
        server.rtsps("open", f"{user}:{word}@"), "-rtsp_transport", "tcp"
    ),
    "hls by ffmpeg": lambda server, user, word: copied(
        server.http("/open/index.m3u8").replace("://", f"://{user}:{word}@")
    ),
    "hls by query": lambda server, user, word: copied(
        server.http(f"/open/index.m3u8?user={user}&pass={word}")
    ),
    "http-flv by ffmpeg": lambda server, user, word: copied(
        server.http("/open.flv").replace("://", f"://{user}:{word}@")
    ),
    "http-ts by GStreamer": lambda server, user, word: (
        lambda out: gst(
            *("souphttpsrc", f"location={server.http('/open.ts')}"),
            *(f"user-id={user}", f"user-pw={word}", "!", *FILE, f"location={out}"),
        )
    ),
    "srt by ffmpeg": lambda server, user, word: copied(server.srt(f"read:open:{user}:{word}")),
    "srt by srt-live-transmit": lambda server, user, word: (
        lambda out: RECEIVERS[3].start(out, server.srt(f"#!::r=open,m=request,u={user},s={word}"))
    ),
    "rtsp by ffmpeg": lambda server, user, word: copied(
        server.rtsp("open", f"{user}:{word}@"), "-rtsp_transport", "tcp"
    ),
    "rtsp by GStreamer": lambda server, user, word: (
        lambda out: gst(
            # With a filter gst-launch breaks, or hangs, when picture and sound come at once.
            *("rtspsrc", f"location={server.rtsp('open')}", f"user-id={user}", f"user-pw={word}"),
            *("protocols=tcp", "!", "rtph264depay", "!"),
            *("h264parse", "!", "mpegtsmux", "!", *FILE, f"location={out}"),
        )
    ),
}


@pytest.mark.parametrize("name", PLAYERS)
def test_players_are_known_by_name_and_password(on_air: Doors, tmp_path: Path, name: str) -> None:
    play = PLAYERS[name]
    assert not recorded(play(on_air, "bob", "bob-in"), tmp_path / "wrong.ts")
    assert recorded(play(on_air, "bob", "bob-out"), tmp_path / "bob.ts")
    assert recorded(play(on_air, "eve", "eve-both"), tmp_path / "eve.ts")


def test_a_changed_key_disconnects_those_who_do_not_know_it(
    tmp_path: Path, media: MediaCache
) -> None:
    streams = stream_toml("locked", *KEYS, USERS)
    with (
        Doors(tmp_path, streams) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp("locked", "?key=in")) as publisher,
        ExitStack() as stack,
    ):
        server.wait_on_air("locked")
        outs = [tmp_path / f"{number}.ts" for number in range(6)]
        starts = (
            copied(server.rtmp("locked", "?key=out")),
            copied(server.srt("read:locked?key=out")),
            copied(server.rtsp("locked", "out:@"), "-rtsp_transport", "tcp"),
            copied(server.rtmp("locked", "?user=bob&pass=bob-out")),
            copied(server.srt("read:locked:bob:bob-out")),
            copied(server.rtsp("locked", "bob:bob-out@"), "-rtsp_transport", "tcp"),
        )
        players = [stack.enter_context(start(out)) for start, out in zip(starts, outs, strict=True)]
        live = stack.enter_context(HttpRecorder(server.http("/locked/mpegts?key=out")))
        eventually(
            lambda: all(out.exists() and out.stat().st_size > ENOUGH_BYTES for out in outs),
            40,
            "media for everybody",
        )
        epochs = server.stream("locked")["media"]["epochs"]
        server.rewrite(stream_toml("locked", 'publish_key = "in"', 'read_key = "new"', USERS))
        for player in players[:3]:
            eventually(lambda: not player.running(), 30, "those with the old key leave")  # noqa: B023
        eventually(lambda: not live.thread.is_alive(), 30, "over HTTP as well")
        assert curl(server.http("/locked/index.m3u8?key=out"))[0] == 401
        assert curl(server.http("/locked/index.m3u8?key=new"))[0] == 200
        lengths = [out.stat().st_size for out in outs[3:]]
        eventually(
            lambda: all(
                out.stat().st_size > length + ENOUGH_BYTES
                for out, length in zip(outs[3:], lengths, strict=True)
            ),
            20,
            "media for the others",
        )
        assert server.stream("locked")["media"]["epochs"] == epochs
        assert publisher.running()
        server.rewrite(stream_toml("locked", 'publish_key = "anew"', 'read_key = "new"'))
        assert publisher.wait(30) != 0
        server.wait_off_air("locked")
