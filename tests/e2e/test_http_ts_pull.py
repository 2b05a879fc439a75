"""MPEG-TS that is fetched over HTTP: from our own server, from ffmpeg, and from bad ones."""

from __future__ import annotations

import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.support.certificates import self_signed
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    HttpRecorder,
    Streamctl,
    ffmpeg,
    ffmpeg_publish,
    pull_toml,
    stream_toml,
)
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.recorded import assert_clean, record_ts, wait_media
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=25)
TS = Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2, gop=25)


@pytest.mark.parametrize("path", ["/x/mpegts", "/x.ts"])
def test_a_stream_of_another_server_is_fetched(
    path: str, tmp_path: Path, media: MediaCache
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    with (
        Streamctl(folder, stream_toml("x")) as there,
        Streamctl(tmp_path, pull_toml(there.http(path))) as server,
    ):
        eventually(lambda: "503" in server.source()["last_error"], 30, "off air is said")
        with ffmpeg_publish(media(RECIPE).path, there.rtmp("x")):
            server.wait_on_air(timeout_s=30)
            ts = record_ts(server)
    assert_clean(judge(ts))
    assert inspect(ts).continuity_errors == []


def test_a_stream_that_breaks_is_fetched_again(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    path = media(RECIPE).path
    with (
        Streamctl(folder, stream_toml("x")) as there,
        Streamctl(tmp_path, pull_toml(there.http("/x.ts"))) as server,
    ):
        with ffmpeg_publish(path, there.rtmp("x")) as publisher:
            server.wait_on_air(timeout_s=30)
            with HttpRecorder(server.http("/news/mpegts")) as recorder:
                wait_media(recorder, 3)
                publisher.kill()
                server.wait_off_air(timeout_s=30)
                since = len(recorder.data)
                with ffmpeg_publish(path, there.rtmp("x")):
                    server.wait_on_air(timeout_s=30)
                    wait_media(recorder, 4, since)
                    ts = whole_units(recorder.stop())
        assert server.source()["reconnects"] >= 1
    verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.restarts == [0]
    assert inspect(ts).continuity_errors == []


@pytest.mark.needs("openssl")
def test_a_server_over_tls_must_be_trusted(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    pair = self_signed(folder)
    lines = f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    head = CONFIG.replace("[http]\n", f"[http]\n{lines}")
    with (
        Streamctl(folder, stream_toml("x"), head=head) as there,
        ffmpeg_publish(media(RECIPE).path, there.rtmp("x")),
    ):
        there.wait_on_air("x")
        url = re.sub("^http:", "https:", there.http("/x.ts"))
        with Streamctl(tmp_path, pull_toml(url)) as server:
            eventually(lambda: "not trusted" in server.source()["last_error"], 30, "why")
            server.rewrite(pull_toml(url, f'tls_ca = "{pair.cert}"'))
            server.wait_on_air(timeout_s=30)
            assert_clean(judge(record_ts(server)))
            trusting = there.players("x")
            server.rewrite(pull_toml(url, "tls_insecure = true"))
            eventually(lambda: there.players("x") - trusting, 30, "a new connection")
            server.wait_on_air(timeout_s=30)


def test_ffmpeg_serves_and_is_fetched_from(tmp_path: Path, media: MediaCache) -> None:
    """It answers one client, then ends, and is started again."""
    port = free_port()
    url = f"http://{HOST}:{port}/live.ts"
    serve = ["-re", "-i", str(media(TS).path), "-c", "copy", "-f", "mpegts", "-listen", "1", url]
    with Streamctl(tmp_path, pull_toml(url)) as server:
        eventually(lambda: "connection refused" in server.source()["last_error"], 30, "why")
        with ffmpeg(*serve):
            server.wait_on_air(timeout_s=30)
            assert_clean(judge(record_ts(server)))
        server.wait_off_air(timeout_s=30)
        with ffmpeg(*serve):
            server.wait_on_air(timeout_s=30)


class Handler(BaseHTTPRequestHandler):
    """A server with many ways; the media is sent as fast as it plays."""

    media: ClassVar[bytes] = b""
    rate: ClassVar[float] = 0.0
    stop: ClassVar[Event] = Event()
    seen: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        match self.path.partition("?")[0]:
            case "/moved.ts":
                self.send(302, Location="/secret.ts?session=1")
            case "/circle.ts":
                self.send(302, Location="/circle.ts")
            case "/gone.ts":
                self.send(410)
            case "/page.ts":
                self.send(200, **{"Content-Type": "text/html"})
            case "/silent.ts":
                self.send(200, **{"Content-Type": "video/mp2t"})
                self.stop.wait(30)
            case "/secret.ts" if not self.headers.get("Authorization"):
                self.send(401, **{"WWW-Authenticate": 'Basic realm="x"'})
            case _:
                self.send(200, **{"Content-Type": "video/mp2t"})
                self.play()

    def send(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()

    def play(self) -> None:
        size = int(self.rate * 0.05) // 188 * 188
        for at in range(0, len(self.media), size):
            if self.stop.wait(0.05):
                return
            try:
                self.wfile.write(self.media[at : at + size])
            except OSError:
                return

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def old_server(path: Path, seconds: float) -> Iterator[str]:
    """A server that speaks HTTP/1.0: its bodies end with the connection."""
    Handler.media = path.read_bytes()
    Handler.rate = len(Handler.media) / seconds
    Handler.stop.clear()
    Handler.seen.clear()
    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://us:pa%20ss@{HOST}:{server.server_address[1]}"
        Handler.stop.set()
        server.shutdown()


def test_an_old_server_is_fetched_from_by_ways_round(tmp_path: Path, media: MediaCache) -> None:
    with (
        old_server(media(TS).path, 30) as base,
        Streamctl(tmp_path, pull_toml(f"{base}/moved.ts")) as server,
    ):
        server.wait_on_air(timeout_s=20)
        assert_clean(judge(record_ts(server)))
        assert "pa%20ss" not in server.output + str(server.stream())
        assert Handler.seen[:2] == [
            ("/moved.ts", "Basic dXM6cGEgc3M="),
            ("/secret.ts?session=1", "Basic dXM6cGEgc3M="),
        ]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/circle.ts", "in a circle"),
        ("/gone.ts", "answers 410 Gone"),
        ("/page.ts", "is no MPEG-TS: `text/html`"),
        ("/silent.ts", "no packets"),
    ],
)
def test_what_brings_no_stream_is_said(
    path: str, words: str, tmp_path: Path, media: MediaCache
) -> None:
    with (
        old_server(media(TS).path, 30) as base,
        Streamctl(tmp_path, pull_toml(f"{base}{path}")) as server,
    ):
        eventually(lambda: words in server.source()["last_error"], 15, words)


def test_a_login_that_is_missing_is_said(tmp_path: Path, media: MediaCache) -> None:
    with old_server(media(TS).path, 30) as base:
        url = re.sub(r"//.*@", "//", base) + "/secret.ts"
        with Streamctl(tmp_path, pull_toml(url)) as server:
            eventually(lambda: "answers 401" in server.source()["last_error"], 30, "why")
