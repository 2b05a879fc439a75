from __future__ import annotations

import gzip

import pytest

from streamctl.net.http_response import (
    NO_HEADERS,
    PACKED_MAX,
    READY_MAX,
    REFUSAL_STATUS,
    ResponseWriter,
    refused,
)
from streamctl.sdk.endpoints import Bytes, HttpRequest
from streamctl.sdk.session import Refusal, RefusalCode
from tests.streamctl.net.site import LARGE, SMALL, Client, parse


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
def test_every_refusal_has_a_status_and_its_sentence(code: RefusalCode) -> None:
    reply = refused(Refusal(code, "because"))
    assert reply.status == REFUSAL_STATUS[code]
    assert reply.body == b"because\n"
    assert ("WWW-Authenticate" in reply.headers) is (reply.status == 401)
    assert ("Retry-After" in reply.headers) is (reply.status == 503)


def test_a_dated_page_says_since_when_it_is_like_this() -> None:
    client = Client()
    response = parse(client.get("/large"))
    assert response.headers["last-modified"] == "sun, 09 sep 2001 01:46:40 gmt"
    again = parse(client.get("/large", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"))
    assert (again.status, again.body) == (304, b"")
    assert "last-modified" in again.headers
    other = parse(client.get("/large", 'If-Match: "x"'))
    assert (other.status, other.headers["content-length"]) == (412, "0")


def test_a_date_that_could_mean_two_versions_is_not_given() -> None:
    wall = 1000.25
    writer = ResponseWriter(lambda: wall)
    request = HttpRequest("GET", "/", NO_HEADERS, {}, "192.0.2.1")
    reply = Bytes(SMALL, modified=1000.0)
    assert b"Last-Modified" not in writer.response(request, reply, keep_alive=True).head
    wall = 1001.0
    assert b"Last-Modified" in writer.response(request, reply, keep_alive=True).head


# Compression.

TEXT = b"#EXTINF:2.0,\nhls/segment.ts\n" * 200


def playlist(body: bytes = TEXT, **headers: str) -> Bytes:
    return Bytes(body, content_type="application/vnd.apple.mpegurl", headers=headers)


def asking(encoding: str = "gzip", **fields: str) -> HttpRequest:
    return HttpRequest("GET", "/", NO_HEADERS, {"accept-encoding": encoding, **fields}, "::1")


def answer(writer: ResponseWriter, request: HttpRequest, reply: Bytes) -> tuple[bytes, bytes]:
    response = writer.response(request, reply, keep_alive=True)
    head, _, body = response.head.partition(b"\r\n\r\n")
    return head, body


def test_a_text_that_is_asked_for_again_is_sent_compressed() -> None:
    writer = ResponseWriter(lambda: 1000.0)
    reply = playlist(ETag='"v1"')
    head, body = answer(writer, asking(), reply)
    assert body == TEXT, "compressing what nobody asks for again would not pay"
    assert b"Vary: Accept-Encoding" in head
    head, body = answer(writer, asking("deflate, gzip, br"), reply)
    assert gzip.decompress(body) == TEXT
    assert b"Content-Encoding: gzip" in head
    assert b"Vary: Accept-Encoding" in head
    assert b'ETag: "v1-gzip"' in head
    assert b"Content-Length: %d\r\n" % len(body) in head
    fields = {"if-none-match": '"v1-gzip"'}
    assert answer(writer, asking(**fields), reply)[0].startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize(
    ("encoding", "takes"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("br, x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("identity", False),
        ("notgzip", False),
        ("", False),
    ],
)
def test_only_clients_that_take_it_get_it_compressed(encoding: str, takes: bool) -> None:
    writer = ResponseWriter(lambda: 1000.0)
    reply = playlist()
    answer(writer, asking(encoding), reply)
    assert (answer(writer, asking(encoding), reply)[1] != TEXT) is takes


@pytest.mark.parametrize(
    "reply",
    [
        playlist(b"short"),
        Bytes(TEXT, content_type="video/mp2t"),
        Bytes([TEXT], content_type="text/plain"),
        Bytes(TEXT, 404, "text/plain"),
    ],
)
def test_what_gains_nothing_is_never_compressed(reply: Bytes) -> None:
    writer = ResponseWriter(lambda: 1000.0)
    for _ in range(3):
        head, _ = answer(writer, asking(), reply)
        assert b"Content-Encoding" not in head


def test_a_range_of_a_text_is_one_of_the_text_itself() -> None:
    writer = ResponseWriter(lambda: 1000.0)
    reply = playlist()
    for _ in range(3):
        head, body = answer(writer, asking(range="bytes=0-9"), reply)
        assert body == TEXT[:10]
        assert b"Content-Encoding" not in head


def test_only_so_many_compressed_texts_are_kept() -> None:
    writer = ResponseWriter(lambda: 1000.0)
    replies = [playlist(TEXT + bytes((number,))) for number in range(PACKED_MAX + 1)]
    for reply in replies:
        answer(writer, asking(), reply)
    assert answer(writer, asking(), replies[0])[1] == replies[0].body
    assert answer(writer, asking(), replies[-1])[1] != replies[-1].body


# Pages of other origins.


def test_a_page_from_the_internet_may_reach_a_server_in_a_local_network() -> None:
    asked = "Access-Control-Request-Private-Network: true"
    headers = parse(Client().get("/small", asked, method="OPTIONS")).headers
    assert headers["access-control-allow-private-network"] == "true"
    closed = Client(cors=("https://a.example",))
    refused_page = parse(closed.get("/small", asked, "Origin: https://b.example", method="OPTIONS"))
    assert "access-control-allow-private-network" not in refused_page.headers


def test_refusals_are_not_kept_by_anybody() -> None:
    assert parse(Client().get("/missing")).headers["cache-control"] == "no-store"
