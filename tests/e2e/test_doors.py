"""Who is let in, who is not, and that nobody else notices."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    HttpRecorder,
    Streamctl,
    closed_by_peer,
    connect,
    ffmpeg_publish,
    ffmpeg_record,
    stream_toml,
)
from tests.support.process import eventually
from tests.support.viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=90, video_kbps=500, gop=25)
STREAMS = (
    stream_toml("news")
    + stream_toml("region/secure", 'publish_key = "s3cret"', 'read_key = "look"')
    + stream_toml("far", 'publish_from = ["10.0.0.0/8"]', 'read_from = ["10.0.0.0/8"]')
)
HANDSHAKE_S = 2
SHORT = f"\n[limits]\nhandshake_s = {HANDSHAKE_S}\n"


@pytest.fixture(scope="module")
def path(media: MediaCache) -> Path:
    return media(RECIPE).path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Streamctl]:
    with Streamctl(tmp_path, STREAMS + SHORT) as running:
        yield running


@pytest.fixture
def publisher(server: Streamctl, path: Path) -> Iterator[Process]:
    with ffmpeg_publish(path, server.rtmp()) as running:
        server.wait_on_air()
        yield running


@pytest.mark.parametrize(
    ("code", "query", "said"),
    [
        pytest.param("region/secure", "", "key", id="no key"),
        pytest.param("region/secure", "?key=wrong", "key", id="wrong key"),
        pytest.param("nowhere", "", "nowhere", id="unknown stream"),
        pytest.param("far", "", "", id="forbidden address"),
    ],
)
def test_a_publisher_is_refused_with_a_reason(
    server: Streamctl, path: Path, code: str, query: str, said: str
) -> None:
    with ffmpeg_publish(path, server.rtmp(code, query)) as refused:
        assert refused.wait(30) != 0
    assert said in refused.output
    server.wait_line(f"refused.*{code}|{code}.*refused", 30)
    if code != "nowhere":
        assert server.stream(code)["stats"]["refused"] >= 1


@pytest.mark.parametrize("form", ["?key=s3cret", "?user=x&pass=s3cret"])
def test_the_right_key_is_let_in(server: Streamctl, path: Path, form: str) -> None:
    with ffmpeg_publish(path, server.rtmp("region/secure", form)) as publisher:
        server.wait_on_air("region/secure")
        assert publisher.running()
        for url in (
            server.http("/region/secure/index.m3u8"),
            server.http("/region/secure/mpegts"),
            server.http("/region/secure"),
        ):
            assert status_of(url) in (401, 403), url


def test_a_second_publisher_is_refused_and_the_first_goes_on(
    server: Streamctl, path: Path, publisher: Process
) -> None:
    with ffmpeg_publish(path, server.rtmp()) as second:
        assert second.wait(30) != 0
    assert publisher.running()
    assert server.stream()["ingest_status"] == "active"
    assert server.stream()["media"]["epochs"] == 1


def test_a_viewer_of_an_unknown_stream_is_refused(server: Streamctl, tmp_path: Path) -> None:
    with ffmpeg_record(server.rtmp("nowhere"), tmp_path / "x.flv", seconds=2) as viewer:
        assert viewer.wait(30) != 0
    for suffix in ("", "/index.m3u8", "/mpegts"):
        assert status_of(server.http(f"/nowhere{suffix}")) == 404


def test_a_kicked_viewer_goes_and_the_others_stay(
    server: Streamctl, publisher: Process, tmp_path: Path
) -> None:
    with Viewers(server, tmp_path) as viewers:
        kicked = next(s for s in server.sessions() if s["protocol"] == "http-ts")
        status, _ = server.ask(f"/api/v1/sessions/{kicked['id']}", "DELETE")
        assert status == 200
        eventually(lambda: not viewers.ts.thread.is_alive(), 30, "the kicked viewer is gone")
        assert kicked["id"] not in {s["id"] for s in server.sessions()}
        assert viewers.recorder.running()
        assert viewers.dump.running()
    assert publisher.running()


def test_a_kicked_publisher_goes(server: Streamctl, publisher: Process) -> None:
    session = next(s for s in server.sessions() if s["action"] == "publish")
    assert server.ask(f"/api/v1/sessions/{session['id']}", "DELETE")[0] == 200
    assert publisher.wait(30) != 0
    server.wait_off_air()


def test_a_taken_port_ends_the_start_with_its_name(server: Streamctl, tmp_path: Path) -> None:
    port = server.port("rtmp")
    second = tmp_path / "second"
    second.mkdir()
    head = server.head.replace('[listeners.rtmp]\naddress = "127.0.0.1:0"', "")
    head += f'[listeners.rtmp]\naddress = "127.0.0.1:{port}"\n'
    late = Streamctl(second, STREAMS, head=head)
    try:
        assert late.wait(30) == 3
        assert str(port) in late.output
        assert "Traceback" not in late.output
    finally:
        late.kill()


def test_an_unreadable_file_is_one_stream_s_trouble(server: Streamctl, publisher: Process) -> None:
    broken = '[streams.broken]\ninputs = ["file:missing.mp4"]\n'
    server.rewrite(STREAMS + SHORT + broken)
    eventually(lambda: server.stream("broken")["causes"], 30, "a cause")
    document = server.stream("broken")
    assert document["status"] != "active"
    assert "missing.mp4" in str(document["causes"]) + str(document["inputs"])
    assert publisher.running()
    assert server.stream()["status"] == "active"


def status_of(url: str) -> int:
    """The status of a GET, whatever the body."""
    with HttpRecorder(url) as client:
        eventually(lambda: client.status, 30, f"an answer from {url}")
        return client.status


def garbage(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


HANDSHAKE = b"\x03" + bytes(1536)
HOSTILE = {
    "nothing": b"",
    "noise": garbage(1, 8192),
    "wrong version": b"\x06" + bytes(1536),
    "half a handshake": HANDSHAKE[:700],
    "a handshake and noise": HANDSHAKE + bytes(1536) + garbage(2, 4096),
    "a chunk of 16 MB": HANDSHAKE
    + bytes(1536)
    + b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\x7f\xff\xff\xff"
    + b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0"
    + bytes(65536),
    "an endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    "half a request": b"GET /news/index.m3u8 HT",
    "a request without end": b"GET /news HTTP/1.1\r\nHost: x\r\n",
    "a huge body": b"POST /news HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    "a climb": b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an old climb": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n",
}


def send(port: int, data: bytes) -> socket.socket:
    """A connection on which the data was sent as far as the peer took it."""
    peer = connect(port)
    peer.settimeout(1)
    try:
        peer.sendall(data)
    except OSError:
        return peer
    return peer


@pytest.mark.parametrize("kind", ["rtmp", "http"])
def test_hostile_peers_disturb_nobody(
    server: Streamctl, publisher: Process, tmp_path: Path, kind: str
) -> None:
    port = server.port(kind)
    with Viewers(server, tmp_path) as viewers, ExitStack() as stack:
        peers = {name: stack.enter_context(send(port, data)) for name, data in HOSTILE.items()}
        vanishing = [send(port, HANDSHAKE) for _ in range(20)]
        for peer in vanishing:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        deadline = time.monotonic() + HANDSHAKE_S + 8
        for name, peer in peers.items():
            left = max(0.1, deadline - time.monotonic())
            assert closed_by_peer(peer, left), f"still connected: {name}"
        viewers.wait_media(2)
        viewers.receiving()
        seen = viewers.stop()
    assert publisher.running()
    assert "Traceback" not in server.output
    for name, verdict in seen.verdicts.items():
        assert verdict.decode_errors == [], name
        assert verdict.missing == 0, name
        assert verdict.video_gaps == [], name
    assert faults(seen.hls) == []


def test_the_control_port_survives_noise(server: Streamctl) -> None:
    for data in HOSTILE.values():
        send(server.port("api"), data).close()
    assert server.ask("/health")[0] == 200


def test_a_viewer_that_never_reads_harms_nobody(
    server: Streamctl, publisher: Process, tmp_path: Path
) -> None:
    with connect(server.port("http")) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(b"GET /news/mpegts HTTP/1.1\r\nHost: x\r\n\r\n")
        with ffmpeg_record(server.rtmp(), tmp_path / "x.flv", seconds=6) as viewer:
            assert viewer.wait(30) == 0
    verdict = judge(tmp_path / "x.flv")
    assert verdict.decode_errors == []
    assert verdict.missing == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_everything_in_time(
    server: Streamctl, publisher: Process, tmp_path: Path, number: int
) -> None:
    with Viewers(server, tmp_path) as viewers, connect(server.port("http")):
        started = time.monotonic()
        os.kill(server.pid, number)
        code = server.wait(12)
        assert time.monotonic() - started <= 10
        assert code in (0, 130)
        eventually(lambda: not viewers.ts.thread.is_alive(), 30, "the viewer was told")
        assert publisher.wait(30) is not None
    assert "Traceback" not in server.output
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, server.port("rtmp")), 1)
