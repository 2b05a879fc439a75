from __future__ import annotations

import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.net.http_request import (
    FRAMED_BODY_MAX_BYTES,
    PIPELINE_MAX,
    TARGET_MAX_BYTES,
    RequestReader,
    split_target,
)
from tests.streamctl.net.site import Client, parse

REMOTE = ("192.0.2.1", 1)
LIMIT = 16_384
UNKNOWN_METHOD = (b"BREW", b"PRI")


def statuses(data: bytes, sizes: list[int] | None = None) -> list[int | str]:
    """What a reader makes of ``data`` fed in pieces of these sizes: paths or refusals."""
    reader = RequestReader(REMOTE, LIMIT)
    found: list[int | str] = []
    for size in sizes or [len(data)]:
        piece, data = data[:size], data[size:]
        for incoming in reader.feed(piece):
            refusal = incoming.refusal
            if incoming.interim:
                found.append(100)
            else:
                found.append(refusal.status if refusal else incoming.request.path)
    return found


H = b"Host: h\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TABLE: list[tuple[bytes, list[int | str]]] = [
    (b"GET / HTTP/1.1\r\n" + H + b"\r\n", ["/"]),
    (b"GET / HTTP/1.0\r\n\r\n", ["/"]),
    (b"\r\n\r\nGET /a HTTP/1.1\r\n" + H + b"\r\n", ["/a"]),
    # Targets (RFC 9112, section 3.2).
    (b"GET http://host:80/a?b HTTP/1.1\r\n" + H + b"\r\n", ["/a"]),
    (b"GET http://host HTTP/1.1\r\n" + H + b"\r\n", ["/"]),
    (b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", ["*"]),
    (b"GET * HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET a HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET host:80 HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /\xc3\xbc HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a%2Fb%20c HTTP/1.1\r\n" + H + b"\r\n", ["/a/b c"]),
    (b"GET /%c3%bc HTTP/1.1\r\n" + H + b"\r\n", ["/ü"]),
    (b"GET /%ff HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /%c0%ae%c0%ae/a HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /%zz HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a% HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a?b=% HTTP/1.1\r\n" + H + b"\r\n", ["/a"]),
    (b"GET /%252e%252e/a HTTP/1.1\r\n" + H + b"\r\n", ["/%2e%2e/a"]),
    (b"GET /a/../b HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a/%2e%2e/b HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a%2f..%2Fb HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a%00b HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /a%0d%0ab HTTP/1.1\r\n" + H + b"\r\n", [400]),
    (b"GET /..a/b.. HTTP/1.1\r\n" + H + b"\r\n", ["/..a/b.."]),
    (b"GET /?" + b"a=1&" * 100 + b" HTTP/1.1\r\n" + H + b"\r\n", [400]),
    # Versions and other protocols.
    (b"GET /a\r\n\r\n", [505]),
    (b"GET /a HTTP/1.2\r\n\r\n", [400]),
    (b"GET /a http/1.1\r\n" + H + b"\r\n", [400]),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    (b"\x03" + bytes(1536), [400]),
    (b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" + H + b"\r\n", ["/a"]),
    (
        b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHost:\r\n\r\n"
        b"GET /b HTTP/1.1\r\nHost:\r\n\r\n",
        ["/a", "/b"],
    ),
    # Methods.
    (b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", [405]),
    (b"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", [405]),
    (b"DELETE /a HTTP/1.1\r\n\r\n", [405]),
    (b"CONNECT a:1 HTTP/1.1\r\n\r\n", [405]),
    (b"BREW /a HTTP/1.1\r\n\r\n", [405]),
    # Header fields.
    (b"GET /a HTTP/1.1\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", [400]),
    (b"GET /a HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ["/a"]),
    (b"GET /a HTTP/1.1\r\nHost:\r\n\r\n", ["/a"]),
    (b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nno colon\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: a\0b\r\n\r\n", [400]),
    # What two servers could frame differently (RFC 9112, sections 2.2, 5.2, 6.1 and 11.2).
    (b"GET /a HTTP/1.1\r\nHost: h\r\nA: 1\r\n B\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\n" + H + b"\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\n" + H + b"\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nContent-Length: x\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na", [400]),
    (b"GET /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [501]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [501]),
    (b"GET /a HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n", [400]),
    # Bodies.
    (
        b"GET /a HTTP/1.1\r\nHost:\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost:\r\n\r\n",
        ["/a", "/b"],
    ),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 8193\r\n\r\n", [413]),
    (
        b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n3;x=y\r\nabc\r\n0\r\nHost: t\r\n\r\n"
        b"GET /b HTTP/1.1\r\nHost:\r\n\r\n",
        ["/a", "/b"],
    ),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n3\nabc\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n", [400]),
    (b"GET /a HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n2001\r\n" + bytes(8193), [413]),
    (
        b"GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        [100, "/a"],
    ),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 1\r\n\r\na", [417]),
    (b"GET /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", ["/a"]),
    # Sizes.
    (b"GET /a HTTP/1.1\r\nA: " + b"a" * LIMIT + b"\r\n\r\n", [431]),
    (b"GET /a HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", [431]),
    (b"GET /a HTTP/1.1\r\nA: " + b"a" * LIMIT, [431]),
    (b"GET /a HTTP/1.1\r\n" + H + b"A:" + b" " * 30_000 + b"b\r\n\r\n", [431]),
    (b"GET /a HTTP/1.1\r\n" + H + b"A: b" + b" " * 30_000 + b"\r\n\r\n", [431]),
    (b"GET /a HTTP/1.1\r\n" + H + b"A:\r\n" * 6000 + b"\r\n", [431]),
    (
        b"GET /a HTTP/1.1\r\n" + H + b"\r\nGET /b HTTP/1.1\r\nA:" + b" " * 30_000 + b"\r\n\r\n",
        ["/a", 431],
    ),
    (b"GET /a HTTP/1.1\r\n" + H + b"A:" + b" " * 14_000 + b"b\r\n\r\n", ["/a"]),
    (b"GET /" + b"a" * TARGET_MAX_BYTES + b" HTTP/1.1\r\n\r\n", [414]),
    (b"GET /" + b"a" * LIMIT, [414]),
    (b"GET /a HTTP/1.1\r\n", []),
]


@pytest.mark.parametrize(("data", "found"), TABLE)
def test_what_requests_become(data: bytes, found: list[int | str]) -> None:
    assert statuses(data) == found


@pytest.mark.parametrize(
    ("data", "found"),
    # An unknown method can be named as such only when it arrives whole.
    [row for row in TABLE if not row[0].startswith(UNKNOWN_METHOD)],
)
def test_it_does_not_matter_how_bytes_arrive(data: bytes, found: list[int | str]) -> None:
    assert statuses(data, [1] * len(data)) == found


@pytest.mark.parametrize(("data", "found"), TABLE)
def test_nothing_is_read_behind_a_refusal(data: bytes, found: list[int | str]) -> None:
    follow = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
    if found and isinstance(found[-1], int):
        assert statuses(data + follow) == found
        assert statuses(data + follow, [len(data), len(follow)]) == found


def test_a_header_that_never_ends_is_refused_while_it_arrives() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    assert reader.feed(b"GET / HTTP/1.1\r\nA: ") == []
    fed = 0
    while not (refusals := reader.feed(b"a" * 1000)):
        fed += 1000
    assert fed <= LIMIT
    assert [one.refusal.status for one in refusals if one.refusal] == [431]
    assert reader.failed


@pytest.mark.parametrize(
    ("start", "endless"),
    [(b"1;", b"x" * 1000), (b"0\r\n", b"T: v\r\n" * 200), (b"", b"1\r\na\r\n" * 200)],
    ids=["an extension", "trailers", "chunks"],
)
def test_a_body_whose_frames_never_end_is_refused(start: bytes, endless: bytes) -> None:
    reader = RequestReader(REMOTE, LIMIT)
    reader.feed(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + start)
    fed = 0
    while not (found := reader.feed(endless)):
        fed += len(endless)
        assert fed <= LIMIT + FRAMED_BODY_MAX_BYTES
    assert [one.refusal.status for one in found if one.refusal] == [413]
    assert reader.failed


def test_a_trailer_is_no_header() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    (incoming,) = reader.feed(
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nAuthorization: Basic eA==\r\nRange: bytes=0-1\r\n\r\n"
    )
    assert set(incoming.request.headers) == {"host", "transfer-encoding"}


def test_a_refusal_names_the_methods_that_are_served() -> None:
    client = Client()
    response = parse(client.get("/small", method="PUT"))
    assert (response.status, response.headers["allow"]) == (405, "get, head, options")
    assert client.reason == "answered"


def test_what_follows_too_many_requests_is_not_read() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    found = reader.feed(b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 9000)
    assert PIPELINE_MAX < len(found) < 9000 / 10


def test_the_same_bytes_give_the_same_request_without_parsing() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    data = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
    (first,) = reader.feed(data)
    (again,) = reader.feed(data)
    assert again is first
    assert [one.request.path for one in reader.feed(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")] == [
        "/b"
    ]


def test_the_same_bytes_within_a_request_are_parsed() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    data = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    reader.feed(data)
    reader.feed(b"GET /b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(data))
    (incoming,) = reader.feed(data)
    assert incoming.request.path == "/b"


def test_a_closing_request_is_not_remembered() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    data = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    (incoming,) = reader.feed(data)
    assert not incoming.keep_alive
    assert [one.refusal is not None for one in reader.feed(data)] == [True]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", {}),
        (b"/?", "/", {}),
        (b"/a?b", "/a", {"b": ""}),
        (b"/a?b=c&b=d&e=%20f+g", "/a", {"b": "d", "e": " f g"}),
        ("/ü".encode(), "/ü", {}),
    ],
)
def test_split_target(target: bytes, path: str, query: dict[str, str]) -> None:
    assert split_target(target) == (path, query)


KNOWN = {b"100", b"200", b"204", b"400", b"404", b"405", b"413", b"414", b"417", b"501", b"505"}
REQUEST = st.sampled_from([data for data, found in TABLE if found and len(data) < 500])


@settings(max_examples=100)
@given(st.lists(REQUEST, min_size=1, max_size=4), st.data())
def test_any_split_of_any_conversation_reads_alike(
    requests: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(one for one in requests if not one.startswith(UNKNOWN_METHOD))
    sizes: list[int] = []
    while sum(sizes) < len(whole):
        sizes.append(data.draw(st.integers(1, len(whole))))
    assert statuses(whole, sizes) == statuses(whole, [1] * len(whole))


@settings(max_examples=200)
@given(
    st.lists(REQUEST, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=8),
)
def test_mutated_requests_are_answered_or_refused(
    requests: list[bytes], mutations: list[tuple[int, int]]
) -> None:
    data = bytearray(b"".join(requests))
    for place, value in mutations:
        data[place % len(data)] = value
    client = Client()
    client.peer.received(bytes(data))
    for response in client.take().split(b"HTTP/1.1 ")[1:]:
        assert response[:3] in KNOWN


@pytest.mark.usefixtures("uncollected")
def test_a_reader_that_is_closed_needs_no_collector() -> None:
    reader = RequestReader(REMOTE, LIMIT)
    reader.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /half")
    gone = weakref.ref(reader)
    reader.close()
    del reader
    assert gone() is None
