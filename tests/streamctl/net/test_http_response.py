from __future__ import annotations

import pytest

from streamctl.net.http_response import (
    NO_HEADERS,
    READY_MAX,
    REFUSAL_STATUS,
    ResponseWriter,
    byte_range,
    cut,
    none_match,
    refused,
)
from streamctl.sdk.endpoints import Bytes, HttpRequest
from streamctl.sdk.session import Refusal, RefusalCode
from tests.streamctl.net.site import LARGE, SMALL, Client, parse


@pytest.mark.parametrize(
    ("asked", "selected"),
    [
        ("bytes=0-", (206, 0, 10)),
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=2-4", (206, 2, 5)),
        (" bytes=9-100 ", (206, 9, 10)),
        ("bytes=-3", (206, 7, 10)),
        ("bytes=-30", (206, 0, 10)),
        ("bytes=10-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", (200, 0, 10)),
        ("bytes=-", (200, 0, 10)),
        ("bytes=0-1,3-4", (200, 0, 10)),
        ("bytes=٣-", (200, 0, 10)),
        ("bytes=" + "9" * 40 + "-", (200, 0, 10)),
        ("items=0-1", (200, 0, 10)),
    ],
)
def test_byte_ranges(asked: str, selected: tuple[int, int, int]) -> None:
    assert byte_range(asked, 10) == selected


@pytest.mark.parametrize("first", range(11))
@pytest.mark.parametrize("last", range(11))
def test_a_cut_of_parts_equals_the_cut_of_the_whole(first: int, last: int) -> None:
    views = cut([b"012", b"", b"3456", b"789"], first, last)
    assert b"".join(views) == b"0123456789"[first:last]


@pytest.mark.parametrize(
    ("condition", "matches"),
    [('"v1"', True), ('W/"v1"', True), ('"v0", "v1"', True), ("*", True), ('"v2"', False)],
)
def test_none_match(condition: str, matches: bool) -> None:
    assert none_match(condition, '"v1"') is matches
    assert none_match(condition, 'W/"v1"') is matches


def test_a_range_is_served_with_its_place() -> None:
    response = parse(Client().get("/parts", "Range: bytes=2-7"))
    assert (response.status, response.body) == (206, b"cdefgh")
    assert response.headers["content-range"] == "bytes 2-7/10"
    assert response.headers["content-length"] == "6"


def test_a_large_range_is_served_from_the_shared_body() -> None:
    response = parse(Client().get("/large", "Range: bytes=1000-1999999"))
    assert (response.status, response.body) == (206, LARGE[1000:2_000_000])


def test_a_range_beyond_the_end_is_answered_with_the_size() -> None:
    response = parse(Client().get("/small", "Range: bytes=10-"))
    assert (response.status, response.body) == (416, b"")
    assert response.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(("condition", "status"), [('"v1"', 206), ('"v0"', 200)])
def test_a_range_holds_only_for_the_representation_it_was_meant_for(
    condition: str, status: int
) -> None:
    response = Client().get("/small", "Range: bytes=0-1", f"If-Range: {condition}")
    assert parse(response).status == status


def test_ranges_mean_nothing_for_head_and_errors() -> None:
    client = Client()
    assert parse(client.get("/small", "Range: bytes=0-1", method="HEAD")).status == 200
    assert parse(client.get("/missing", "Range: bytes=0-1")).status == 404


def test_an_unchanged_page_is_not_sent_again() -> None:
    client = Client()
    response = parse(client.get("/small", 'If-None-Match: "v1"'))
    assert (response.status, response.body) == (304, b"")
    assert response.headers["etag"] == '"v1"'
    assert "content-length" not in response.headers
    assert parse(client.get("/small", 'If-None-Match: "v0"')).body == SMALL
    assert parse(client.get("/parts", 'If-None-Match: "v0"')).status == 200


def test_an_empty_page_says_so() -> None:
    response = parse(Client().get("/empty"))
    assert (response.status, response.headers["content-length"]) == (200, "0")


def test_the_date_follows_the_clock() -> None:
    client = Client()
    assert parse(client.get("/small")).headers["date"] == "tue, 14 nov 2023 22:13:20 gmt"
    client.clock.advance(1)
    assert parse(client.get("/small")).headers["date"] == "tue, 14 nov 2023 22:13:21 gmt"


def test_a_reply_is_serialised_once_per_second_for_all() -> None:
    wall = 1000.0
    writer = ResponseWriter(lambda: wall)
    request = HttpRequest("GET", "/", NO_HEADERS, {}, "192.0.2.1")
    reply = Bytes(SMALL)
    first = writer.response(request, reply, keep_alive=True)
    assert writer.response(request, reply, keep_alive=True) is first
    assert writer.response(request, reply, keep_alive=False) is not first
    wall += 1
    assert writer.response(request, reply, keep_alive=True) is not first


def test_only_so_many_replies_are_kept() -> None:
    writer = ResponseWriter(lambda: 0.0)
    request = HttpRequest("GET", "/", NO_HEADERS, {}, "192.0.2.1")
    replies = [Bytes(str(number).encode()) for number in range(READY_MAX + 1)]
    heads = [writer.response(request, reply, keep_alive=True).head for reply in replies]
    again = [writer.response(request, reply, keep_alive=True).head for reply in replies]
    assert again == heads
    assert len(set(heads)) == len(replies)


@pytest.mark.parametrize("path", ["/small", "/missing", "/fails", "/live", "/..", "/large"])
def test_pages_of_every_origin_may_read_every_response(path: str) -> None:
    headers = parse(Client().get(path, "Origin: https://a.example")).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "content-range" in headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://a.example", True), ("https://c.example", False)]
)
def test_only_configured_origins_may_read(origin: str, allowed: bool) -> None:
    client = Client(cors=("https://a.example", "https://b.example"))
    headers = parse(client.get("/small", f"Origin: {origin}")).headers
    assert headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert headers["vary"] == "origin"
    preflight = parse(client.get("/small", f"Origin: {origin}", method="OPTIONS")).headers
    assert ("access-control-allow-methods" in preflight) is allowed


@pytest.mark.parametrize(
    ("asked", "allowed"), [("x-a, range", "x-a, range"), ("\x80bad", "*"), ("", "*")]
)
def test_a_preflight_allows_the_headers_asked_for(asked: str, allowed: str) -> None:
    response = Client().get("/small", f"Access-Control-Request-Headers: {asked}", method="OPTIONS")
    headers = parse(response).headers
    assert headers["access-control-allow-headers"] == allowed
    assert headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize("code", RefusalCode)
def test_every_refusal_has_a_status_and_its_words(code: RefusalCode) -> None:
    reply = refused(Refusal(code, "because"))
    assert reply.status == REFUSAL_STATUS[code]
    assert reply.body == f"{reply.status} because\n".encode()
    assert ("WWW-Authenticate" in reply.headers) is (reply.status == 401)
    assert ("Retry-After" in reply.headers) is (reply.status == 503)
