"""Responses: framings, limits, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl.net.http_answer import HEAD_MAX_BYTES, Head, ResponseReader

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
)
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
OLD = b"HTTP/1.0 200 OK\r\n\r\nhello world"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


def read(*pieces: bytes) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    return reader, b"".join([reader.feed(memoryview(piece)) for piece in pieces])


@pytest.mark.parametrize("data", [CHUNKED, COUNTED, OLD, INTERIM + CHUNKED], ids=range(4))
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_is_read_whatever_its_frame(data: bytes, step: int) -> None:
    reader, body = read(*(data[at : at + step] for at in range(0, len(data), step)))
    assert body == b"hello world"
    assert reader.complete is (data is not OLD)
    assert reader.head is not None
    assert (reader.head.status, reader.head.reason) == (200, "OK")
    assert reader.head.version == ("1.0" if data is OLD else "1.1")


def test_headers_are_known_by_lower_case_and_the_first_counts() -> None:
    reader, _ = read(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nlocation: /b\r\nX-Y:  z \r\n\r\n")
    assert reader.head is not None
    assert dict(reader.head.headers) == {"location": "/a", "x-y": "z"}


def test_what_follows_a_response_is_not_looked_at() -> None:
    reader, body = read(COUNTED + b"rubbish", b"more rubbish")
    assert body == b"hello world"
    assert reader.complete


@pytest.mark.parametrize(
    "data",
    [
        b"ICY 200 OK\r\n\r\n",
        b"\x47" + bytes(187),
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_response_is_said(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no http response"):
        read(data)


def test_a_head_has_an_end() -> None:
    filler = (b"X-Filler: " + b"y" * 88 + b"\r\n") * (HEAD_MAX_BYTES // 100)
    read(b"HTTP/1.1 200 OK\r\n", filler)
    with pytest.raises(RemoteProtocolError, match="head of the response is too large"):
        read(b"HTTP/1.1 200 OK\r\n", filler, filler)


def test_trailers_are_no_headers() -> None:
    reader, body = read(CHUNKED[:-2] + b"Location: /a\r\nSet-Cookie: a=1\r\n", b"X: y\r\n\r\n")
    assert body == b"hello world"
    assert reader.complete
    assert reader.head is not None
    assert set(reader.head.headers) == {"content-type", "transfer-encoding"}


@pytest.mark.parametrize(
    ("begin", "endless"),
    [(CHUNKED[:-2], b"X: y\r\n"), (CHUNKED[:-2] + b"X: ", b"y"), (CHUNKED[:-5] + b"1;", b"z")],
)
def test_what_is_around_a_body_has_an_end(begin: bytes, endless: bytes) -> None:
    filler = endless * (HEAD_MAX_BYTES // len(endless) - 1)
    read(begin, filler)
    with pytest.raises(RemoteProtocolError, match="more frames than content"):
        read(begin, filler, filler)


@given(st.binary(max_size=60), st.integers(0, len(CHUNKED)))
def test_only_a_protocol_error_escapes(noise: bytes, at: int) -> None:
    try:
        read(CHUNKED[:at] + noise + CHUNKED[at:])
    except RemoteProtocolError:
        return


def test_every_cookie_is_kept() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n")
    assert reader.head is not None
    assert reader.head.cookies == ("a=1", "b=2")


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (COUNTED, True),
        (CHUNKED, True),
        (INTERIM + COUNTED, True),
        (COUNTED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (COUNTED.replace(b"1.1", b"1.0"), False),
        (COUNTED[:-1], False),
        (COUNTED + b"rubbish", False),
        (COUNTED + COUNTED, False),
        (OLD, False),
    ],
)
def test_a_connection_can_serve_again_behind_a_whole_response(data: bytes, reusable: bool) -> None:
    assert read(data)[0].reusable is reusable


@pytest.mark.parametrize(("data", "whole"), [(OLD, True), (COUNTED[:-1], False), (b"", True)])
def test_the_end_of_a_connection_ends_a_body_of_no_length(data: bytes, whole: bool) -> None:
    reader, _ = read(data)
    assert reader.end() is (whole and bool(data))


def test_a_head_tells_files_and_pages_from_media() -> None:
    page = Head(200, "OK", {"content-type": "Text/HTML; charset=utf-8"}, "1.1")
    assert page.media_type == "text/html"
    assert page.shows_no_media
    length = {"content-length": "7"}
    assert not Head(200, "OK", length, "1.1").file_bytes
    assert Head(200, "OK", length | {"etag": '"x"'}, "1.1").file_bytes == "7"
    assert not Head(200, "OK", {"etag": '"x"'}, "1.1").file_bytes
