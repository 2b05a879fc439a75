"""Keys, users and limits at every door, with the programs that people log in with."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.doors import Doors
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    HttpRecorder,
    closed_by_peer,
    connect,
    ffmpeg,
    ffmpeg_publish,
    gst,
    gst_publish,
    stream_toml,
)
from tests.support.process import Process, eventually
from tests.support.rtp import port_pairs
from tests.support.srt import RECEIVERS, SENDERS, bare_call
from tests.support.tools import tool
from tests.support.udp import SENDERS as TS_SENDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "curl", "gst-launch-1.0", "srt-live-transmit"),
    pytest.mark.timeout(120),
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
ENOUGH_BYTES = 40_000
RTSP_OUT = ("-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp")
FILE = ("filesink", "buffer-mode=2")
COPY = ("-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "mpegts", "-y")


def rtsp_publish(path: Path, url: str) -> Process:
    """FFmpeg publishes a file over RTSP."""
    return ffmpeg("-re", "-i", str(path), *RTSP_OUT, url)


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


def curl(url: str, *options: str) -> tuple[int, bytes]:
    """Status and headers of what curl gets within two seconds."""
    argv = [tool("curl"), "-sS", "-m", "2", "-o", "/dev/null", "-D", "-", *options, url]
    found = subprocess.run(argv, capture_output=True, check=False).stdout
    return int(found.split()[1]), found


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


def recorded(start: Callable[[Path], Process], out: Path) -> bool:
    """Whether a player gets media, or is sent away."""
    with start(out) as player:
        eventually(
            lambda: not player.running() or (out.exists() and out.stat().st_size > ENOUGH_BYTES),
            30,
            "media, or the end",
        )
        got = out.exists() and out.stat().st_size > ENOUGH_BYTES
        player.stop(signal.SIGINT, 3)
    return got


def copied(url: str, *options: str) -> Callable[[Path], Process]:
    """FFmpeg copies what a URL plays."""
    return lambda out: ffmpeg(*options, "-i", url, *COPY, str(out))


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
            *("rtspsrc", f"location={server.rtsp('open')}", f"user-id={user}", f"user-pw={word}"),
            *("protocols=tcp", "!", "application/x-rtp,media=video", "!", "rtph264depay", "!"),
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
            eventually(lambda: not player.running(), 15, "those with the old key leave")  # noqa: B023
        eventually(lambda: not live.thread.is_alive(), 10, "over HTTP as well")
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
        assert publisher.wait(15) != 0
        server.wait_off_air("locked")


NO_CHECK = ssl.create_default_context()
NO_CHECK.check_hostname = False
NO_CHECK.verify_mode = ssl.CERT_NONE
HALF_OPEN = {
    ("rtmp", b""): "silence",
    ("rtmp", b"\x03" + bytes(1536) + bytes(1536)): "no connect",
    ("rtmps", b""): "no TLS",
    ("rtmps", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"): "half of a hello",
    ("rtsp", b""): "silence",
    ("rtsp", b"OPTIONS rtsp://x/open RTSP/1.0\r\nCSeq: 1\r\n\r\n"): "no SETUP",
    ("rtsp", b"DESCRIBE rtsp://x/open RT"): "half a request",
    ("rtsp", b"GET /open HTTP/1.1\r\nx-sessioncookie: 1\r\n\r\n"): "half a tunnel",
    ("rtsps", b""): "no TLS",
    ("rtsps", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"): "half of a hello",
    ("http", b""): "silence",
    ("http", b"GET /open HTTP/1.1\r\nHo"): "half a request",
}


def test_who_does_not_begin_is_closed_in_time(tmp_path: Path, media: MediaCache) -> None:
    with (
        Doors(tmp_path, stream_toml("open"), limits="handshake_s = 2") as server,
        ExitStack() as stack,
    ):
        peers = []
        for (kind, data), name in HALF_OPEN.items():
            peer = stack.enter_context(connect(server.port(kind)))
            peer.sendall(data)
            peers.append((peer, f"{kind}: {name}"))
        caller = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        assert bare_call(caller, server.port("srt"), "publish:open")
        start = time.monotonic()
        for peer, name in peers:
            assert closed_by_peer(peer, max(0.1, start + 6 - time.monotonic())), name
        eventually(lambda: not server.sessions("open"), 12, "the caller is forgotten")
        with ffmpeg_publish(media(RECIPE).path, server.rtmp("open")):
            server.wait_on_air("open")
    assert "Traceback" not in server.output


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("sessions_per_ip = 2", "2 connections at most"),
        ("sessions = 2", "the server takes 2 connections at most"),
    ],
)
def test_too_many_are_refused_in_the_words_of_the_protocol(
    tmp_path: Path, limit: str, said: str
) -> None:
    with (
        Doors(tmp_path, stream_toml("open"), limits=limit) as server,
        connect(server.port("rtmp")) as first,
        connect(server.port("rtsp")) as second,
    ):
        eventually(lambda: curl(server.http("/open/index.m3u8"))[0] == 503, 5, "the limit")
        for kind in ("rtmp", "rtsp"):
            with connect(server.port(kind)) as late:
                assert closed_by_peer(late, 5), kind
        for kind in ("rtmps", "rtsps"):
            with connect(server.port(kind)) as bare, NO_CHECK.wrap_socket(bare) as over_tls:
                assert closed_by_peer(over_tls, 5), kind
        with SENDERS[3].start(Path("/dev/null"), server.srt("publish:open")) as sender:
            server.wait_line(f"srt: refused .*{said}")
            sender.stop()
        first.close()
        second.close()
        eventually(lambda: curl(server.http("/open/index.m3u8"))[0] != 503, 5, "room")
        status, metrics = server.page("/metrics")
        assert status == 200
        for kind in ("rtmp", "rtsp", "http", "srt"):
            assert re.search(rf'streamctl_refused_total{{.*"{kind}".*"limit"', metrics), kind


def test_addresses_are_judged_at_every_door(tmp_path: Path, media: MediaCache) -> None:
    streams = stream_toml("far", 'publish_from = ["10.0.0.0/8"]', 'read_from = ["10.0.0.0/8"]')
    mp4, ts = media(RECIPE).path, media(TS_RECIPE).path
    over_tcp = ("-rtsp_transport", "tcp")
    with Doors(tmp_path, streams) as server, ExitStack() as stack:
        peers = (
            ffmpeg_publish(mp4, server.rtmp("far")),
            ffmpeg_publish(mp4, server.rtmps("live/far")),
            rtsp_publish(mp4, server.rtsp("far")),
            rtsp_publish(mp4, server.rtsps("far")),
            SENDERS[0].start(ts, server.srt("publish:far")),
            copied(server.rtmp("far"))(tmp_path / "0.ts"),
            copied(server.rtmps("live/far"))(tmp_path / "1.ts"),
            copied(server.rtsp("far"), *over_tcp)(tmp_path / "2.ts"),
            copied(server.rtsps("far"), *over_tcp)(tmp_path / "3.ts"),
            copied(server.srt("read:far"))(tmp_path / "4.ts"),
        )
        for peer in peers:
            stack.enter_context(peer)
        for peer in peers:
            assert peer.wait(30) != 0, peer.describe()
        for suffix in ("/index.m3u8", ".ts", ".flv", ""):
            assert curl(server.http(f"/far{suffix}"))[0] == 403
        for action in ("publish", "play"):
            for kind in ("rtmp", "rtsp", "srt"):
                server.wait_line(f"{kind}: refused {HOST}: {HOST} may not {action} this stream")


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ('publish_key = "in"', "missing key for publish"),
        (USERS, "missing login for publish"),
        ('publish_from = ["10.0.0.0/8"]', f"{HOST} may not publish this stream"),
        ("", ""),
    ],
)
def test_senders_of_rtp_have_nothing_to_log_in_with(
    tmp_path: Path, media: MediaCache, lock: str, said: str
) -> None:
    [port] = port_pairs(1)
    text = f'[listeners.rtp]\naddress = "{HOST}:{port}"\nstream = "rtp/{{ip}}"\n'
    text += f'[streams."rtp/127-0-0-1"]\ninputs = ["publish:"]\n{lock}\n'
    with Doors(tmp_path, text) as server:
        server.port("rtp")
        with TS_SENDERS["ffmpeg, RTP"](media(TS_RECIPE).path, HOST, port) as sender:
            if said:
                server.wait_line(f"rtp: refused {HOST}: {said}")
            else:
                server.wait_on_air("rtp/127-0-0-1")
            assert sender.running(), sender.output


def test_guessing_is_slow_at_every_door(tmp_path: Path, media: MediaCache) -> None:
    streams = stream_toml("locked", *KEYS) + stream_toml("open")
    with Doors(tmp_path, streams, limits="guesses_per_ip = 6") as server:
        url = server.http("/locked/index.m3u8")
        for _ in range(9):
            assert curl(f"{url}?key=old")[0] == 401
        for word in ("a", "b"):
            assert curl(f"{url}?key={word}")[0] == 401
        for start in (
            copied(server.rtmp("locked", "?key=c")),
            copied(server.srt("read:locked?key=d")),
            copied(server.rtsp("locked", "x:e@"), "-rtsp_transport", "tcp"),
        ):
            assert not recorded(start, tmp_path / "out.ts")
        assert curl(f"{url}?key=out")[0] == 503
        assert curl(url)[0] == 401
        with ffmpeg_publish(media(RECIPE).path, server.rtmp("locked", "?key=in")) as publisher:
            assert publisher.wait(15) != 0
        assert "too many wrong logins" in publisher.output
        with ffmpeg_publish(media(RECIPE).path, server.rtmp("open", "?key=x")):
            server.wait_on_air("open")
