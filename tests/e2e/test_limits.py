"""Networks, limits, deadlines and guesses at every door."""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.doors import Doors, copied, curl, recorded, rtsp_publish
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    closed_by_peer,
    connect,
    ffmpeg_publish,
    stream_toml,
)
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.srt import SENDERS, bare_call
from tests.support.udp import SENDERS as TS_SENDERS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "curl", "gst-launch-1.0", "srt-live-transmit"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=300, gop=25)
TS_RECIPE = Recipe(seconds=60, video_kbps=300, gop=25, container="ts")
KEYS = ('publish_key = "in"', 'read_key = "out"')
USERS = 'users = [{ name = "ann", password = "ann-in", publish = true }]'
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
        eventually(lambda: curl(server.http("/open/index.m3u8"))[0] == 503, 30, "the limit")
        for kind in ("rtmp", "rtsp"):
            with connect(server.port(kind)) as late:
                assert closed_by_peer(late, 15), kind
        for kind in ("rtmps", "rtsps"):
            with connect(server.port(kind)) as bare, NO_CHECK.wrap_socket(bare) as over_tls:
                assert closed_by_peer(over_tls, 15), kind
        with SENDERS[3].start(Path("/dev/null"), server.srt("publish:open")) as sender:
            server.wait_line(f"srt: refused .*{said}")
            sender.stop()
        first.close()
        second.close()
        eventually(lambda: curl(server.http("/open/index.m3u8"))[0] != 503, 30, "room")
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
    port = udp_port(2)
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
            assert publisher.wait(30) != 0
        assert "too many wrong logins" in publisher.output
        with ffmpeg_publish(media(RECIPE).path, server.rtmp("open", "?key=x")):
            server.wait_on_air("open")
