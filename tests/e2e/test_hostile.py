"""Peers by the hundred that are slow, rude or gone: the server stays as it was."""

from __future__ import annotations

import random
import socket
import struct
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamctl.net.tls import client_context
from tests.bench.rtmp_load import is_header, read_flv
from tests.bench.rtmp_wire import open_connection, open_player, open_publisher
from tests.support.certificates import self_signed
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, HttpRecorder, Streamctl, connect, stream_toml
from tests.support.process import Process, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.rtmp_wire import Message

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg", "openssl"), pytest.mark.timeout(240)]

LOAD = Path(__file__).parents[1] / "bench" / "rtmp_load.py"
RECIPE = Recipe(seconds=4, container="flv", video_kbps=2000, gop=25)
CODES = [f"s{number}" for number in range(10)]
HANDSHAKE_S = 3
SLOW_S = 3
HEAD = f"""
[log]
level = "info"
[api]
address = "127.0.0.1:0"
[http]
address = "127.0.0.1:0"
[listeners.rtmp]
address = "127.0.0.1:0"
[limits]
handshake_s = {HANDSHAKE_S}
sessions_per_ip = 1000
[defaults]
slow_viewer_timeout_s = {SLOW_S}
buffer_s = 1
"""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset."""
ROUNDS, AT_ONCE = 1000, 20
WARMUP = 2000
"""Publishers until every pool and cache of the server has its size."""
GROWTH_BYTES = 15_000_000
"""What the heap may sway by: fifteen kilobytes a publisher, of whom each has sent a hundred."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Streamctl]:
    with Streamctl(tmp_path, "".join(map(stream_toml, CODES)), head=HEAD) as running:
        yield running


@pytest.fixture(scope="module")
def path(media: MediaCache) -> Path:
    return media(RECIPE).path


@pytest.fixture
def publisher(server: Streamctl, path: Path) -> Iterator[Process]:
    argv = [sys.executable, "-u", str(LOAD), "publish", str(server.port("rtmp")), str(path)]
    with Process([*argv, "600", CODES[0]]) as running:
        server.wait_on_air(CODES[0])
        yield running


def resident(server: Streamctl) -> int:
    """Bytes of memory that the server has."""
    text = Path(f"/proc/{server.pid}/status").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def descriptors(server: Streamctl) -> int:
    """File descriptors that the server has open."""
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def sessions(server: Streamctl) -> int:
    """Sessions of all streams."""
    return len(server.ask("/api/v1/sessions")[1]["sessions"])


def come_and_drop(port: int, messages: list[Message], count: int, chance: random.Random) -> None:
    """Publishers, some at a time, that break off anywhere in any manner."""
    for start in range(0, count, AT_ONCE):
        with ExitStack() as open_ones:
            for number in range(start, min(start + AT_ONCE, count)):
                manner = chance.randrange(4)
                if manner == 0:
                    sock = connect(port)
                    sock.sendall(b"\x03" + bytes(chance.randrange(3000)))
                else:
                    # Ten of each twenty are refused, as others publish there already.
                    sock = publish_some(port, CODES[number % 10], messages, chance)
                if manner == 1:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                open_ones.enter_context(closing(sock))


def publish_some(
    port: int, code: str, messages: list[Message], chance: random.Random
) -> socket.socket:
    """A connection that has published a while, up to the middle of a message."""
    try:
        sock = open_publisher(port, code)
    except ConnectionError:
        return open_connection(port, "live")
    data = b"".join(m.render(m.at_ms, 0) for m in messages[: chance.randrange(2, 60)])
    with suppress(OSError):
        sock.sendall(data[: chance.randrange(1, len(data) + 1)])
    return sock


def test_publishers_that_drop_leave_nothing_behind(server: Streamctl, path: Path) -> None:
    found = read_flv(path)
    messages = [m for m in found if is_header(m)] + [m for m in found if not is_header(m)]
    chance = random.Random(5)
    port = server.port("rtmp")
    come_and_drop(port, messages, WARMUP, chance)
    eventually(lambda: sessions(server) == 0, 30, "no session is left")
    before = resident(server), descriptors(server)
    come_and_drop(port, messages, ROUNDS, chance)
    eventually(lambda: sessions(server) == 0, 30, "no session is left")
    eventually(lambda: descriptors(server) <= before[1], 30, "no descriptor is left")
    assert resident(server) - before[0] < GROWTH_BYTES
    assert "Traceback" not in server.output
    assert len(server.output.splitlines()) < 4000


def test_viewers_over_tls_that_come_and_go_leave_nothing_behind(tmp_path: Path, path: Path) -> None:
    pair = self_signed(tmp_path)
    keys = f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    head = HEAD.replace("[http]\n", f"[http]\n{keys}")
    trust = client_context(pair.cert)

    def come_and_go(port: int, count: int) -> None:
        for _ in range(count):
            plain = connect(port)
            with trust.wrap_socket(plain, server_hostname="localhost") as viewer:
                viewer.sendall(f"GET /{CODES[0]}.flv HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                assert viewer.recv(4096).startswith(b"HTTP/1.1 200 ")

    with Streamctl(tmp_path, stream_toml(CODES[0]), head=head) as server:
        argv = [sys.executable, "-u", str(LOAD), "publish", str(server.port("rtmp")), str(path)]
        with Process([*argv, "600", CODES[0]]):
            server.wait_on_air(CODES[0])
            port = server.port("http")
            come_and_go(port, 100)
            before = resident(server), descriptors(server)
            come_and_go(port, 300)
            eventually(lambda: sessions(server) == 1, 30, "no viewer is left")
            eventually(lambda: descriptors(server) <= before[1], 30, "no descriptor is left")
            assert resident(server) - before[0] < GROWTH_BYTES


def test_hundreds_of_slow_readers_harm_nobody(server: Streamctl, publisher: Process) -> None:
    rtmp, http = server.port("rtmp"), server.port("http")
    with ExitStack() as stack:
        recorder = stack.enter_context(HttpRecorder(server.http(f"/{CODES[0]}/mpegts")))
        eventually(lambda: len(recorder.data) > 100_000, 30, "a viewer receives")
        before = resident(server)
        for _ in range(100):
            stack.enter_context(closing(small_window(open_player(rtmp, CODES[0]))))
            sock = stack.enter_context(closing(connect(http)))
            sock.sendall(f"GET /{CODES[0]}/mpegts HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            small_window(sock)
        eventually(lambda: sessions(server) >= 150, 30, "they are let in")
        seen, began = len(recorder.data), time.monotonic()
        eventually(lambda: sessions(server) <= 2, 25, "they are sent away")
        flowed = (len(recorder.data) - seen) * 8 / (time.monotonic() - began)
        assert flowed > 0.8 * 2_000_000
        assert resident(server) - before < 150_000_000
        assert server.stream(CODES[0])["ingest_status"] == "active"


def small_window(sock: socket.socket) -> socket.socket:
    """The connection with little room for what is not read."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return sock


def test_hundreds_of_slow_writers_keep_nobody_out(server: Streamctl, publisher: Process) -> None:
    rtmp, http = server.port("rtmp"), server.port("http")
    before = descriptors(server)
    with ExitStack() as stack:
        slow: list[tuple[socket.socket, bytes]] = []
        for _ in range(100):
            slow.append((stack.enter_context(closing(connect(rtmp))), b"\x03" + bytes(3000)))
            head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 3000
            slow.append((stack.enter_context(closing(connect(http))), head))
        began = time.monotonic()
        turn = 0
        while descriptors(server) > before + 5 and time.monotonic() - began < 25:
            for sock, data in slow:
                with suppress(OSError):
                    sock.send(data[turn : turn + 1])
            turn += 1
            if turn == 3:
                open_publisher(rtmp, CODES[1]).close()
            time.sleep(0.1)
        assert descriptors(server) <= before + 5
        assert server.stream(CODES[0])["ingest_status"] == "active"
