"""Whole responses: connections that stay, ranges, packing, limits, redirects and cookies."""

from __future__ import annotations

import gc
import gzip
import random
import zlib

import anyio
import pytest

from streamctl.errors import ConnectionFailed, RemoteProtocolError
from streamctl.net import http_session
from streamctl.net.clock import LoopClock
from streamctl.net.http_client import MAX_REDIRECTS, Refused
from streamctl.net.http_session import HttpSession, Line, Wish
from streamctl.net.http_target import Target
from tests.streamctl.net.test_http_client import Site, no_trust, visited
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def session() -> HttpSession:
    return HttpSession(LoopClock(), no_trust, PATIENCE_S)


def wish(site: Site, path: str, **keys: object) -> Wish:
    values: dict[str, object] = {"most": 1000} | keys
    return Wish(Target.of(site.url(path)), **values)  # type: ignore[arg-type]


async def test_connections_serve_again() -> None:
    async with visited(Site({"/a": answer(b"A"), "/b": answer(b"B")})) as site:
        found = session()
        assert (await found.get(wish(site, "/a"))).body == b"A"
        assert (await found.get(wish(site, "/b"))).body == b"B"
        found.close()
    assert len({id(wire) for wire in site.wires}) == 1
    assert b"Connection: keep-alive" in site.requests[0]


async def test_several_requests_at_a_time_have_connections_of_their_own() -> None:
    async with visited(Site({"/a": answer(b"A")})) as site, anyio.create_task_group() as tasks:
        found = session()
        for _ in range(3):
            tasks.start_soon(found.get, wish(site, "/a"))
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    "data", [answer(b"A", "Connection: close"), b"HTTP/1.0 200 OK\r\n\r\nA"], ids=["told", "old"]
)
async def test_a_connection_that_ends_is_replaced(data: bytes) -> None:
    async with visited(Site({"/a": data}, close=True)) as site:
        found = session()
        for _ in range(3):
            assert (await found.get(wish(site, "/a"))).body == b"A"
    assert len(site.wires) == 3


async def test_a_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    async with visited(Site({"/a": answer(b"A")}, close=True)) as site:
        found = session()
        for _ in range(3):
            assert (await found.get(wish(site, "/a"))).body == b"A"
    assert len(site.requests) == 3


async def test_servers_that_lead_elsewhere_each_time_leave_few_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_session, "IDLE_MAX", 2)
    first, second, third = (Site({"/a": answer(b"A" * 500)}) for _ in range(3))
    async with visited(first), visited(second), visited(third):
        found = session()
        for site in (first, second, third) * 2:
            assert len((await found.get(wish(site, "/a"))).body) == 500
        kept = [line for line in lines_to(first, second, third) if line.open]
        assert len(kept) == 2, "those that were not used for longest were closed"
        assert not any(line.body for line in kept)
        for site in (second, third):
            site.wires[-1].close("tired of waiting")
        await until(lambda: not any(line.open for line in kept))
        kept.clear()
        await found.get(wish(first, "/a"))
        await until(lambda: len(lines_to(first, second, third)) == 1)
        found.close()
    assert [len(site.wires) for site in (first, second, third)] == [3, 2, 2]


def lines_to(*sites: Site) -> list[Line]:
    """What there is of connections to these sites."""
    gc.collect()
    ports = {site.port for site in sites}
    lines = [one for one in gc.get_objects() if isinstance(one, Line)]
    return [line for line in lines if line.origin[2] in ports]


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    async with visited(Site({"/a": answer(b"A")})) as site:
        found = session()
        await found.get(wish(site, "/a"))
        site.wires[0].write(b"HTTP/1.1 408 Timeout\r\n\r\n")
        await anyio.sleep(0.05)
        assert (await found.get(wish(site, "/a"))).body == b"A"
    assert len(site.wires) == 2


async def test_ranges_are_asked_for_and_cut_out_of_whole_bodies() -> None:
    whole = answer(b"0123456789")
    part = answer(b"234", "Content-Range: bytes 2-4/10", status="206 Partial Content")
    async with visited(Site({"/whole": whole, "/part": part})) as site:
        for path in ("/whole", "/part"):
            assert (await session().get(wish(site, path, span=(2, 3)))).body == b"234"
        with pytest.raises(RemoteProtocolError, match="has no bytes 8 to 12"):
            await session().get(wish(site, "/whole", span=(8, 4)))
        with pytest.raises(RemoteProtocolError, match="another range"):
            await session().get(wish(site, "/part", span=(2, 4)))
    assert b"\r\nRange: bytes=2-4\r\n" in site.requests[0]


async def test_what_is_before_and_behind_a_range_is_not_kept() -> None:
    """A server without ranges may send a file of any size, or one without end."""
    large = bytes(5000) + b"234" + bytes(5000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(5000) + b"234"
    async with visited(Site({"/large": answer(large), "/endless": endless})) as site:
        http = session()
        for path in ("/large", "/endless"):
            assert (await http.get(wish(site, path, span=(5000, 3), most=3))).body == b"234"
        with pytest.raises(RemoteProtocolError, match="more than 1000 bytes"):
            await http.get(wish(site, "/large"))
        http.close()


LARGE = random.Random(1).randbytes(100_000)


async def test_packed_bodies_are_unpacked() -> None:
    text = b"#EXTM3U\n" * 50
    answers = {
        "/gzip": answer(gzip.compress(text), "Content-Encoding: gzip"),
        "/deflate": answer(zlib.compress(text), "Content-Encoding: deflate"),
        "/cut": answer(gzip.compress(text)[:-9], "Content-Encoding: gzip"),
        "/large": answer(zlib.compress(LARGE), "Content-Encoding: deflate"),
        "/none": answer(b"text", "Content-Encoding: gzip"),
        "/bomb": answer(gzip.compress(bytes(2000)), "Content-Encoding: gzip"),
        "/other": answer(b"text", "Content-Encoding: br"),
    }
    async with visited(Site(answers)) as site:
        assert (await session().get(wish(site, "/gzip", packed=True))).body == text
        assert (await session().get(wish(site, "/deflate", packed=True))).body == text
        assert (await session().get(wish(site, "/large", most=200_000))).body == LARGE
        for path, words in {
            "/cut": "cut off",
            "/none": "can't be unpacked",
            "/bomb": "more than 1000 bytes",
            "/other": "nobody asked for",
        }.items():
            with pytest.raises(RemoteProtocolError, match=words):
                await session().get(wish(site, path, packed=True))
    assert b"\r\nAccept-Encoding: gzip\r\n" in site.requests[0]


async def test_bodies_have_a_limit_and_a_deadline() -> None:
    async with visited(Site({"/big": answer(bytes(2000))})) as site:
        with pytest.raises(RemoteProtocolError, match="more than 1000 bytes"):
            await session().get(wish(site, "/big"))
        with pytest.raises(ConnectionFailed, match=r"took longer than 0\.05 s"):
            await session().get(wish(site, "/silent", timeout_s=0.05))


async def test_a_body_that_is_cut_off_is_a_failure() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
    async with visited(Site({"/cut": data}, close=True)) as site:
        with pytest.raises(ConnectionFailed, match="/cut"):
            await session().get(wish(site, "/cut"))


@pytest.mark.parametrize(("status", "permanent"), [(403, True), (404, False), (503, False)])
async def test_refusals_say_their_number(status: int, permanent: bool) -> None:
    async with visited(Site({"/a": answer(b"", status=f"{status} No")})) as site:
        with pytest.raises(Refused, match=f"answers {status} No") as caught:
            await session().get(wish(site, "/a"))
    assert caught.value.status == status
    assert caught.value.permanent is permanent


async def test_redirects_are_followed_with_cookies() -> None:
    moved = answer(b"", "Location: /b", "Set-Cookie: k=1; Path=/", status="302 Found")
    async with visited(Site({"/a": moved, "/b": answer(b"B")})) as site:
        found = await session().get(wish(site, "/a"))
        assert found.body == b"B"
        assert found.target.url == site.url("/b")
    assert b"\r\nCookie: k=1\r\n" in site.requests[1]


async def test_a_circle_is_left() -> None:
    moved = answer(b"", "Location: /a", status="301 Moved")
    async with visited(Site({"/a": moved})) as site:
        with pytest.raises(ConnectionFailed, match="in a circle"):
            await session().get(wish(site, "/a"))


async def test_a_chain_of_redirects_that_has_no_end_is_left() -> None:
    chain = {f"/{n}": answer(b"", f"Location: /{n + 1}", status="302 Found") for n in range(99)}
    async with visited(Site(chain)) as site:
        with pytest.raises(ConnectionFailed, match="in a circle") as caught:
            await session().get(wish(site, "/0"))
    assert caught.value.permanent
    assert len(site.requests) == MAX_REDIRECTS + 1


async def test_what_is_no_http_is_said() -> None:
    async with visited(Site({"/a": b"ICY 200 OK\r\n\r\n"})) as site:
        with pytest.raises(RemoteProtocolError, match="no http response"):
            await session().get(wish(site, "/a"))
