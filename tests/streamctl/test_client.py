from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from streamctl.client import Client, in_path
from streamctl.errors import (
    ConfigError,
    ConnectionFailed,
    NotFound,
    RemoteProtocolError,
    StreamctlError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

NOW = "2026-01-01T00:00:00Z"
STREAM = {
    "id": "a/b",
    "status": "active",
    "ingest_status": "active",
    "created_at": NOW,
}
SESSION = {
    "id": "s1",
    "stream": "a/b",
    "protocol": "rtmp",
    "action": "play",
    "peer": "1.2.3.4:5",
    "opened_at": NOW,
    "uptime_s": 1,
    "bytes_in": 0,
    "bytes_out": 9,
}
Answers = dict[str, tuple[int, Any]]


@contextmanager
def server(answers: Answers) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An HTTP server with fixed answers by ``METHOD path``; its URL and what it was asked."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = f"{self.command} {self.path}"
            asked.append((key, self.headers.get("Authorization", "")))
            status, document = answers[key]
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


async def test_lists_streams() -> None:
    listing = {"streams": [STREAM], "count": 1, "time": NOW}
    answers: Answers = {
        "GET /api/v1/streams": (200, listing),
        "GET /api/v1/streams?status=active": (200, listing),
    }
    with server(answers) as (url, asked):
        client = Client(url, "t0ken")
        assert [stream.id for stream in await client.streams()] == ["a/b"]
        assert [stream.id for stream in await client.streams("active")] == ["a/b"]
    assert asked[0] == ("GET /api/v1/streams", "Bearer t0ken")


async def test_writes_a_slash_of_a_code_as_a_tilde() -> None:
    with server({"GET /api/v1/streams/a~b": (200, STREAM)}) as (url, asked):
        assert (await Client(url).stream("a/b")).id == "a/b"
    assert asked == [("GET /api/v1/streams/a~b", "")]
    assert in_path("a b/ü?") == "a%20b~%C3%BC%3F"


async def test_lists_and_kicks_sessions() -> None:
    answers: Answers = {
        "GET /api/v1/sessions?stream=a%2Fb": (
            200,
            {"sessions": [SESSION], "count": 1, "time": NOW},
        ),
        "DELETE /api/v1/sessions/s1": (200, SESSION),
    }
    with server(answers) as (url, _):
        client = Client(url)
        assert [session.id for session in await client.sessions("a/b")] == ["s1"]
        assert (await client.kick("s1")).bytes_out == 9


async def test_lists_plugins() -> None:
    plugin = {"kind": "x", "summary": "", "capabilities": [], "schemes": []}
    listing = {"plugins": [plugin], "count": 1, "time": NOW}
    with server({"GET /api/v1/plugins": (200, listing)}) as (url, _):
        assert [one.kind for one in await Client(url).plugins()] == ["x"]


async def test_health_is_an_answer_even_when_it_is_bad() -> None:
    health = {"status": "down", "version": "1", "time": NOW, "uptime_s": 0}
    with server({"GET /health": (503, health)}) as (url, _):
        assert (await Client(url).health()).status == "down"


async def test_a_path_in_the_url_goes_before_every_path() -> None:
    health = {"status": "ok", "version": "1", "time": NOW, "uptime_s": 0}
    with server({"GET /behind/proxy/health": (200, health)}) as (url, _):
        assert (await Client(f"{url}/behind/proxy/").health()).status == "ok"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, NotFound, 1),
        (403, ConnectionFailed, 3),
        (400, StreamctlError, 1),
        (500, StreamctlError, 1),
    ],
)
async def test_a_refusal_keeps_message_and_hint(
    status: int, kind: type[StreamctlError], code: int
) -> None:
    problem = {"error": "x", "message": "no such thing", "hint": "try `y`", "time": NOW}
    with (
        server({"GET /api/v1/streams/x": (status, problem)}) as (url, _),
        pytest.raises(kind, match="no such thing") as caught,
    ):
        await Client(url).stream("x")
    assert type(caught.value) is kind
    assert caught.value.hint == "try `y`"
    assert caught.value.exit_code == code


async def test_a_missing_token_is_told_where_it_belongs() -> None:
    problem = {"error": "x", "message": "a token is needed", "hint": "send a header", "time": NOW}
    with (
        server({"GET /api/v1/streams/x": (401, problem)}) as (url, _),
        pytest.raises(ConnectionFailed, match="a token is needed") as caught,
    ):
        await Client(url).stream("x")
    assert "`STREAMCTL_TOKEN`" in caught.value.hint


def test_a_certificate_that_nobody_trusts_is_told_in_words() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: X] failed (_ssl.c:1006)")
    error.verify_message = "self-signed certificate"
    failed = Client("https://h").unreachable(error)
    assert str(failed).endswith("`https://h`: certificate not trusted: self-signed certificate")
    assert "SSL_CERT_FILE" in failed.hint


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b"{}"), (502, b"bad gateway")]
)
async def test_a_stranger_is_recognised(status: int, body: bytes) -> None:
    with (
        server({"GET /api/v1/streams/x": (status, body)}) as (url, _),
        pytest.raises(RemoteProtocolError, match="doesn't answer like"),
    ):
        await Client(url).stream("x")


async def test_says_that_nobody_listens() -> None:
    with server({}) as (url, _):
        pass
    with pytest.raises(ConnectionFailed, match="connection refused") as caught:
        await Client(url).streams()
    assert url in caught.value.message
    assert "is `streamctl serve` running?" in caught.value.hint


async def test_gives_up_on_silence() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match=r"no answer within 0\.05 s"):
            await Client(url, timeout_s=0.05).streams()


@pytest.mark.parametrize("url", ["localhost:9997", "ftp://x", "http://", "http://x:port", "x"])
def test_refuses_what_is_not_the_url_of_a_server(url: str) -> None:
    with pytest.raises(ConfigError, match="not the URL of a server"):
        Client(url)


def test_takes_server_and_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCTL_SERVER", "https://example.org:1/x/")
    monkeypatch.setenv("STREAMCTL_TOKEN", "t0ken")
    client = Client()
    assert (client.url, client.token) == ("https://example.org:1/x", "t0ken")
    assert type(client.connection()).__name__ == "HTTPSConnection"
    monkeypatch.delenv("STREAMCTL_SERVER")
    assert Client().url == "http://127.0.0.1:9997"


def test_a_token_is_what_a_header_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCTL_TOKEN", "t0ken\r\n")
    assert Client().token == "t0ken"
    for token in ("a\nb", "a\0b", "a→b"):
        with pytest.raises(ConfigError, match="the token is no text") as caught:
            Client("http://127.0.0.1:1", token)
        assert "STREAMCTL_TOKEN" in caught.value.hint
        assert token not in str(caught.value)
