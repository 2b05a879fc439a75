"""The media HTTP port of a running server, asked by curl and by sockets that break the rules."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, connect, ffmpeg_publish, stream_toml
from tests.support.process import eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg", "curl"), pytest.mark.timeout(240)]

RECIPE = Recipe(seconds=60, video_kbps=1500, gop=25)
CHANGING = {"date", "last-modified"}
ROUTES = {
    "page": "/news",
    "script": "/news/hls.js",
    "multivariant": "/news/index.m3u8",
    "playlist": "/news/main_stream.m3u8",
    "transport stream": "/news/mpegts",
    "flv": "/news.flv",
    "nothing": "/news/nothing",
    "no stream": "/other/index.m3u8",
    "segment": "",
}


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: bytes
    connects: int
    """Connections that were opened for it."""


@dataclass(frozen=True)
class Site:
    """A server with a stream on air."""

    server: Streamctl
    folder: Path

    def curl(self, path: str, *options: str) -> Answer:
        """One request."""
        [answer] = self.curls([path], *options)
        return answer

    def curls(self, paths: list[str], *options: str) -> list[Answer]:
        """Several requests by one curl, which keeps the connection if it may."""
        argv = [tool("curl"), "-s", "--max-time", "3", *options]
        for number, path in enumerate(paths):
            argv += [self.server.http(path), "-o", str(self.folder / f"body{number}")]
            argv += ["-D", str(self.folder / "head"), "-w", "%{json}\n"]
            argv += ["--next", "-s", "--max-time", "3", *options] if path != paths[-1] else []
        for number in range(len(paths)):
            (self.folder / f"body{number}").unlink(missing_ok=True)
        # What never ends is cut by the time limit, which is exit code 28.
        done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
        assert done.returncode in (0, 28), done.stderr.decode()
        headers = heads((self.folder / "head").read_text("latin-1"))
        return [
            Answer(facts["http_code"], headers, self.body(number), facts["num_connects"])
            for number, facts in enumerate(map(json.loads, done.stdout.splitlines()))
        ]

    def body(self, number: int) -> bytes:
        path = self.folder / f"body{number}"
        return path.read_bytes() if path.exists() else b""

    def newest_segment(self) -> str:
        """The path of the newest segment."""
        playlist = self.curl(ROUTES["playlist"]).body.decode()
        uris: list[str] = re.findall(r"^[^#\n]+$", playlist, re.MULTILINE)
        return f"/news/{uris[-1]}"

    def path(self, route: str) -> str:
        return ROUTES[route] or self.newest_segment()


def heads(text: str) -> dict[str, str]:
    """The fields of the last head in curl's dump."""
    last = text.strip().split("\r\n\r\n")[-1]
    return {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in last.splitlines()[1:])
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("http")
    with (
        Streamctl(folder, stream_toml("news")) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp(), loop=True),
    ):
        server.wait_on_air()
        site = Site(server, folder)
        eventually(lambda: b"#EXTINF" in site.curl(ROUTES["playlist"]).body, 30, "a segment")
        yield site


@pytest.mark.parametrize("route", ROUTES)
def test_head_gets_the_headers_of_get_and_makes_no_viewer(site: Site, route: str) -> None:
    path = site.path(route)
    head = site.curl(path, "-I", "-A", "looking")
    agents = {session["user_agent"] for session in site.server.sessions()}
    got = site.curl(path, "--max-time", "1")
    assert (head.status, head.body) == (got.status, b"") or head.body.startswith(b"HTTP/")
    assert "looking" not in agents
    assert set(head.headers) - CHANGING == set(got.headers) - CHANGING
    if route not in ("playlist", "multivariant"):
        assert {n: v for n, v in head.headers.items() if n not in CHANGING} == {
            n: v for n, v in got.headers.items() if n not in CHANGING
        }


@pytest.mark.parametrize("route", ["segment", "script"])
def test_ranges_are_parts_of_the_whole(site: Site, route: str) -> None:
    path = site.path(route)
    whole = site.curl(path).body
    for asked, part in (
        ("0-99", whole[:100]),
        ("1000-", whole[1000:]),
        ("-500", whole[-500:]),
        (f"{len(whole) - 1}-{len(whole) + 1000}", whole[-1:]),
    ):
        answer = site.curl(path, "-r", asked)
        assert (answer.status, answer.body) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    beyond = site.curl(path, "-r", f"{len(whole)}-")
    assert (beyond.status, beyond.body) == (416, b"")
    assert beyond.headers["content-range"] == f"bytes */{len(whole)}"
    etag = site.curl(path).headers["etag"]
    assert site.curl(path, "-r", "0-9", "-H", f"If-Range: {etag}").status == 206
    other = site.curl(path, "-r", "0-9", "-H", 'If-Range: "other"')
    assert (other.status, other.body) == (200, whole)


@pytest.mark.parametrize("route", ["segment", "script", "page"])
def test_what_a_client_has_is_not_sent_again(site: Site, route: str) -> None:
    path = site.path(route)
    # What was made within this very second has no date yet (RFC 9110 section 8.8.2.2).
    eventually(lambda: "last-modified" in site.curl(path).headers, 30, "a date")
    first = site.curl(path)
    by_tag = site.curl(path, "-H", f"If-None-Match: {first.headers['etag']}")
    by_date = site.curl(path, "-H", f"If-Modified-Since: {first.headers['last-modified']}")
    for answer in (by_tag, by_date):
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == first.headers["etag"]
        assert "content-length" not in answer.headers
    earlier = "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"
    assert site.curl(path, "-H", earlier).body == first.body
    assert site.curl(path, "-H", 'If-Match: "other"').status == 412


def test_how_long_answers_may_be_kept(site: Site) -> None:
    kept = {route: site.curl(site.path(route), "-I").headers["cache-control"] for route in ROUTES}
    assert kept == {
        "page": "no-cache",
        "script": "max-age=86400",
        "multivariant": "max-age=1",
        "playlist": "max-age=1",
        "transport stream": "no-store",
        "flv": "no-store",
        "nothing": "no-store",
        "no stream": "no-store",
        "segment": "max-age=86400, immutable",
    }


@pytest.mark.parametrize(
    ("options", "connects"),
    [
        (["--http1.1"], [1, 0, 0]),
        (["--http1.0"], [1, 1, 1]),
        (["--http1.0", "-H", "Connection: keep-alive"], [1, 0, 0]),
        (["--http1.1", "-H", "Connection: close"], [1, 1, 1]),
    ],
)
def test_connections_stay_if_the_client_wants_it(
    site: Site, options: list[str], connects: list[int]
) -> None:
    answers = site.curls(["/news", "/news/nothing", "/news/hls.js"], *options)
    assert [answer.status for answer in answers] == [200, 404, 200]
    assert [answer.connects for answer in answers] == connects


def test_a_large_text_is_compressed_for_those_who_take_it(site: Site) -> None:
    plain = site.curl("/news/hls.js").body
    site.curl("/news/hls.js", "-H", "Accept-Encoding: gzip")
    packed = site.curl("/news/hls.js", "-H", "Accept-Encoding: gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain) / 2
    assert gzip.decompress(packed.body) == plain
    assert site.curl("/news/hls.js", "--compressed").body == plain


def test_pages_of_other_origins_may_read(site: Site) -> None:
    asked = [
        "-X", "OPTIONS", "-H", "Origin: https://a.example", "-H",
        "Access-Control-Request-Method: GET", "-H", "Access-Control-Request-Headers: range",
        "-H", "Access-Control-Request-Private-Network: true",
    ]  # fmt: skip
    answer = site.curl("/news/index.m3u8", *asked)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-headers"] == "range"
    assert answer.headers["access-control-allow-private-network"] == "true"
    exposed = site.curl("/news/hls.js", "-r", "0-1").headers["access-control-expose-headers"]
    assert {"Content-Range", "ETag", "Date"} <= set(exposed.split(", "))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_told_what_is_served(site: Site, method: str) -> None:
    answer = site.curl("/news/index.m3u8", "-X", method, "-d", "x")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_small_bodies_are_skipped_in_any_form(site: Site) -> None:
    for options in (["-d", "x" * 2000], ["-d", "x" * 2000, "-H", "Transfer-Encoding: chunked"]):
        expecting = ["-X", "GET", "-H", "Expect: 100-continue", *options]
        answers = site.curls(["/news", "/news/nothing"], *expecting)
        assert [(answer.status, answer.connects) for answer in answers] == [(200, 1), (404, 0)]


def test_an_endless_response_fits_the_version_of_its_client(site: Site, tmp_path: Path) -> None:
    asked = list(product(("/news/mpegts", "/news.flv"), ("--http1.0", "--http1.1")))

    def answer_to(number: int) -> Answer:
        folder = tmp_path / str(number)
        folder.mkdir()
        return Site(site.server, folder).curl(*asked[number])

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(answer_to, range(len(asked))))
    for (path, version), answer in zip(asked, answers, strict=True):
        chunked = "chunked" if version == "--http1.1" else None
        assert answer.headers.get("transfer-encoding") == chunked
        assert (answer.status, len(answer.body) > 50_000) == (200, True)
        assert answer.body.startswith(b"FLV\x01\x05" if path.endswith("flv") else b"G")


REFUSED = {
    "no host": (b"GET /news HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /news HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "two lengths": (
        b"GET /news HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        400,
    ),
    "a length and chunks": (
        b"GET /news HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "another coding": (
        b"GET /news HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "a folded line": (b"GET /news HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    "bare line feeds": (b"GET /news HTTP/1.1\nHost: a\n\n", 400),
    "a space before the colon": (b"GET /news HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "climbing": (b"GET /news/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "climbing in disguise": (b"GET /news/%2e%2e%2fx HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a broken escape": (b"GET /news/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a long target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a long header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    "a large body": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", 413),
    "an unknown expectation": (
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n",
        417,
    ),
    "no version": (b"GET /news\r\n\r\n", 505),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_read_behind_a_request_that_is_refused(site: Site, name: str) -> None:
    sent, status = REFUSED[name]
    smuggled = b"GET /news HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    with connect(site.server.port("http")) as client:
        client.sendall(sent + smuggled)
        answer = read_to_end(client)
    assert re.findall(rb"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == [str(status).encode()]
    assert b"\r\nConnection: close\r\n" in answer


def test_an_absolute_target_means_its_path(site: Site) -> None:
    with connect(site.server.port("http")) as client:
        client.sendall(
            b"HEAD http://other.example/news HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        assert read_to_end(client).startswith(b"HTTP/1.1 200 OK\r\n")


ANSWERS = ["200", "404", "200", "200", "404"]


def test_pipelined_requests_are_answered_in_their_order(site: Site) -> None:
    paths = [b"/news", b"/news/nothing", b"/news/hls.js", b"/news/index.m3u8"]
    requests = b"".join(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths)
    with connect(site.server.port("http")) as client:
        client.sendall(requests + b"HEAD / HTTP/1.0\r\n\r\n")
        answer = read_to_end(client).decode("latin-1")
    assert re.findall(r"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == ANSWERS
    assert len(re.findall(r"javascript|mpegurl", answer)) == 2


def read_to_end(client: socket.socket) -> bytes:
    data = bytearray()
    while piece := client.recv(65_536):
        data += piece
    return bytes(data)
