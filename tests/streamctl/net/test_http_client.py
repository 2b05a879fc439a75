"""Fetching: framings, redirects, refusals, silence, and TLS."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from streamctl.errors import ConnectionFailed, MediaError, RemoteProtocolError, StaleEpoch
from streamctl.net.clock import LoopClock
from streamctl.net.http_client import MAX_REDIRECTS, Fetch, Fetcher
from streamctl.net.http_target import Target
from streamctl.net.tcp import serve_tcp
from streamctl.net.tls import ServerTls, client_context
from streamctl.testing.clock import FakeClock
from tests.support.certificates import self_signed
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamctl.net.http_answer import Head
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Site:
    """A server that answers paths with given bytes, and keeps the requests."""

    def __init__(self, answers: dict[str, bytes], *, close: bool = False) -> None:
        self.answers = answers
        self.close = close
        self.requests: list[bytes] = []
        self.wires: list[Wire] = []
        self.port = 0

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://{HOST}:{self.port}{path}"


class Visitor:
    """One connection to a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.data = b""
        self.wire: Wire

    def connected(self, wire: Wire, remote: Address) -> None:
        self.wire = wire
        self.site.wires.append(wire)

    def received(self, data: bytes | memoryview) -> None:
        self.data += bytes(data)
        if self.data.endswith(b"\r\n\r\n"):
            self.site.requests.append(self.data)
            path = self.data.split()[1].decode().partition("?")[0]
            self.data = b""
            if answer := self.site.answers.get(path, b""):
                self.wire.write(answer.replace(b":PORT", b":%d" % self.site.port))
            if self.site.close:
                self.wire.close("done")

    def paused(self) -> None: ...
    def resumed(self) -> None: ...
    def closed(self, reason: str) -> None: ...


@asynccontextmanager
async def visited(site: Site, tls: ServerTls | None = None) -> AsyncIterator[Site]:
    up = anyio.Event()

    def ready(address: Address) -> None:
        site.port = address[1]
        up.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: serve_tcp((HOST, 0), lambda: Visitor(site), ready=ready, tls=tls))
        await up.wait()
        yield site
        tasks.cancel_scope.cancel()


async def no_trust() -> ssl.SSLContext:
    raise AssertionError("nothing is encrypted here")


def anything(head: Head) -> None:
    """Every response is welcome."""


def fetcher() -> Fetcher:
    return Fetcher(LoopClock(), no_trust, PATIENCE_S)


async def fetched(site: Site, path: str) -> tuple[bytes, Fetch]:
    """What a path brings until it ends."""
    body = bytearray()
    target = Target.of(site.url(path))
    async with fetcher().fetching(target, anything, body.extend) as fetch:
        with anyio.fail_after(PATIENCE_S):
            await fetch.ended.wait()
    return bytes(body), fetch


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CHUNKED + b"5\r\nmedia\r\n0\r\n\r\n", "the stream ended"),
        (OK + b"Content-Length: 5\r\n\r\nmedia", "the stream ended"),
        (b"HTTP/1.0 200 OK\r\n\r\nmedia", "closed by the peer"),
        (OK + b"Content-Length: 9\r\n\r\nmedia", "closed by the peer"),
        (CHUNKED + b"5\r\nmedia\r\n", "closed by the peer"),
    ],
    ids=["chunks", "length", "old", "length cut", "chunks cut"],
)
async def test_a_body_is_handed_over_to_its_end(answer: bytes, reason: str) -> None:
    async with visited(Site({"/a": answer}, close=True)) as site:
        body, fetch = await fetched(site, "/a?b=c")
    assert body == b"media"
    assert isinstance(fetch.failure, ConnectionFailed)
    assert reason in str(fetch.failure)
    assert "b=c" not in str(fetch.failure)


async def test_of_what_a_server_says_little_is_repeated_and_nothing_that_moves_cursors() -> None:
    answer = b"HTTP/1.1 503 Gone \x1b[2J" + b"x" * 5000 + b"\r\n\r\n"
    async with visited(Site({"/a": answer})) as site:
        with pytest.raises(ConnectionFailed) as caught:
            await fetched(site, "/a")
    assert " answers 503 Gone [2Jxx" in str(caught.value)
    assert len(str(caught.value)) < 200


async def test_a_body_is_handed_over_as_it_comes() -> None:
    body = bytearray()
    async with visited(Site({"/a": CHUNKED})) as site:
        target = Target.of(site.url("/a"))
        async with fetcher().fetching(target, anything, body.extend) as fetch:
            site.wires[0].write(b"3\r\none\r\n")
            await until(lambda: body == b"one")
            site.wires[0].write(b"3\r\ntwo\r\n")
            await until(lambda: body == b"onetwo")
            assert not fetch.ended.is_set()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int) -> None:
    answers = {
        "/a": b"HTTP/1.1 %d Moved\r\nLocation: /b?token=1\r\nContent-Length: 4\r\n\r\nhere"
        % status,
        "/b": b"HTTP/1.1 302 Found\r\nLocation: http://localhost:PORT/c\r\n\r\n",
        "/c": OK + b"Content-Length: 5\r\n\r\nmedia",
    }
    async with visited(Site(answers)) as site:
        body, _ = await fetched(site, "/a")
    assert body == b"media"
    lines = [request.split(b"\r\n")[:2] for request in site.requests]
    assert [line[0] for line in lines] == [
        b"GET /a HTTP/1.1",
        b"GET /b?token=1 HTTP/1.1",
        b"GET /c HTTP/1.1",
    ]
    assert lines[2][1] == b"Host: localhost:%d" % site.port


async def test_a_circle_is_noticed() -> None:
    answers = {
        "/a": b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n",
        "/b": b"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n",
    }
    async with visited(Site(answers)) as site:
        with pytest.raises(ConnectionFailed, match="in a circle"):
            await fetched(site, "/a")
    assert len(site.requests) == 2


async def test_an_endless_way_is_given_up() -> None:
    answers = {f"/{n}": b"HTTP/1.1 302 Found\r\nLocation: /%d\r\n\r\n" % (n + 1) for n in range(99)}
    async with visited(Site(answers)) as site:
        with pytest.raises(ConnectionFailed, match="in a circle"):
            await fetched(site, "/0")
    assert len(site.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("line", "message", "permanent"),
    [
        (b"HTTP/1.1 401 Unauthorized", "answers 401 Unauthorized", True),
        (b"HTTP/1.1 403 ", "answers 403 Forbidden", True),
        (b"HTTP/1.1 404 Not Found", "answers 404 Not Found", False),
        (b"HTTP/1.1 410 Gone", "answers 410 Gone", True),
        (b"HTTP/1.1 503 Off Air", "answers 503 Off Air", False),
        (b"HTTP/1.1 302 Found", "answers 302 Found", False),
        (b"HTTP/1.1 204 No Content", "answers 204 No Content", False),
        (b"HTTP/1.1 599 ", "answers 599", False),
    ],
)
async def test_refusals_are_said(line: bytes, message: str, permanent: bool) -> None:
    answer = line + b"\r\nContent-Length: 4\r\n\r\nsome"
    async with visited(Site({"/a": answer})) as site:
        with pytest.raises(ConnectionFailed, match=message) as caught:
            await fetched(site, "/a")
    assert caught.value.permanent is permanent
    assert ("USER:PASSWORD" in caught.value.hint) is (b"401" in line or b"403" in line)


async def test_silence_is_not_waited_for_long() -> None:
    clock = FakeClock()
    fetcher = Fetcher(clock, no_trust, 20)

    def asked(path: str) -> bool:
        return any(path.encode() in request for request in site.requests)

    async def fetch(path: str) -> None:
        with pytest.raises(ConnectionFailed, match="no answer within 20 s"):
            async with fetcher.fetching(Target.of(site.url(path)), anything, bytearray().extend):
                raise AssertionError

    async with visited(Site({"/b": OK})) as site, anyio.create_task_group() as tasks:
        for path in ("/a", "/b"):
            tasks.start_soon(fetch, path)
            await until(partial(asked, path))
            clock.advance(20)


async def test_nobody_there_is_said() -> None:
    async with visited(Site({})) as site:
        pass
    with pytest.raises(ConnectionFailed, match="connection refused"):
        await fetched(site, "/a")


async def test_a_server_that_hangs_up_is_said() -> None:
    async with visited(Site({}, close=True)) as site:
        with pytest.raises(ConnectionFailed, match="closed by the peer"):
            await fetched(site, "/a")


async def test_what_is_no_http_is_said() -> None:
    async with visited(Site({"/a": b"\x47" * 188})) as site:
        with pytest.raises(RemoteProtocolError, match=r"`http://.*/a`: no http response"):
            await fetched(site, "/a")


async def test_a_response_may_be_refused_by_its_head() -> None:
    def judge(head: Head) -> None:
        raise MediaError(f"no {head.headers['content-type']} please")

    body = bytearray()
    answer = OK + b"Content-Type: text/html\r\n\r\n<html>"
    async with visited(Site({"/a": answer})) as site:
        with pytest.raises(MediaError, match="no text/html please"):
            async with fetcher().fetching(Target.of(site.url("/a")), judge, body.extend):
                raise AssertionError
    assert body == b""


async def test_who_can_not_take_more_ends_the_fetch() -> None:
    def take(data: bytes) -> None:
        raise StaleEpoch("the epoch has ended")

    async with (
        visited(Site({"/a": CHUNKED})) as site,
        fetcher().fetching(Target.of(site.url("/a")), anything, take) as fetch,
    ):
        site.wires[0].write(b"3\r\none\r\n")
        with anyio.fail_after(PATIENCE_S):
            await fetch.ended.wait()
    assert isinstance(fetch.failure, StaleEpoch)


async def test_a_cancelled_fetch_hangs_up() -> None:
    gone: list[str] = []

    class Listening(Visitor):
        def closed(self, reason: str) -> None:
            gone.append(reason)

    site = Site({})
    up = anyio.Event()

    def ready(address: Address) -> None:
        site.port = address[1]
        up.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: serve_tcp((HOST, 0), lambda: Listening(site), ready=ready))
        await up.wait()
        async with anyio.create_task_group() as fetching:
            fetching.start_soon(fetched, site, "/a")
            await until(lambda: site.requests)
            fetching.cancel_scope.cancel()
        await until(lambda: gone)
        tasks.cancel_scope.cancel()


async def test_tls_is_spoken_with_who_is_trusted(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)

    async def trust() -> ssl.SSLContext:
        return await to_thread.run_sync(client_context, pair.cert)

    async def system() -> ssl.SSLContext:
        return await to_thread.run_sync(client_context)

    body = bytearray()
    answer = OK + b"Content-Length: 5\r\n\r\nmedia"
    async with visited(Site({"/a": answer}), ServerTls(pair.cert, pair.key)) as site:
        target = Target.of(site.url("/a", "https"))
        trusting = Fetcher(LoopClock(), trust, PATIENCE_S)
        async with trusting.fetching(target, anything, body.extend) as fetch:
            await fetch.ended.wait()
        other = Fetcher(LoopClock(), system, PATIENCE_S)
        with pytest.raises(ConnectionFailed, match="not trusted"):
            async with other.fetching(target, anything, body.extend):
                raise AssertionError
    assert body == b"media"
