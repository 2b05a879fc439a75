"""Messages, from bytes and back."""

from __future__ import annotations

import time

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.message import (
    MAX_HEADERS,
    Headers,
    Method,
    Request,
    Response,
    Status,
    parse_head,
)


def head_of(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[0]


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request(Method.DESCRIBE, "rtsp://h/live/a", Headers([("CSeq", "3"), ("Accept", "x")]))
    assert parse_head(head_of(request.serialize())) == request


def test_a_response_is_read_as_it_was_written() -> None:
    response = Response(454, Headers([("CSeq", "9")]))
    found = parse_head(head_of(response.serialize()))
    assert isinstance(found, Response)
    assert (found.status, found.reason, found.cseq) == (454, "Session Not Found", 9)


def test_a_body_brings_its_length() -> None:
    message = Request("ANNOUNCE", "rtsp://h/a", Headers(), b"v=0\r\n").serialize()
    assert message == b"ANNOUNCE rtsp://h/a RTSP/1.0\r\nContent-Length: 5\r\n\r\nv=0\r\n"


def test_a_length_that_is_given_stays() -> None:
    headers = Headers([("content-length", "3")])
    assert Response(200, headers, b"abc").serialize().lower().count(b"content-length") == 1


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_phrase(status: Status) -> None:
    assert status.reason.encode() in Response(status).serialize()


def test_a_status_of_others_is_passed_on() -> None:
    assert Response(299).serialize() == b"RTSP/1.0 299 Unknown\r\n\r\n"
    assert Response(299, reason="Odd").serialize() == b"RTSP/1.0 299 Odd\r\n\r\n"


def test_values_can_not_begin_headers_of_their_own() -> None:
    headers = Headers([("X", "a\r\nSession: stolen\r\n\r\n")])
    response = Response(200, headers, reason="O\nK")
    assert response.serialize() == b"RTSP/1.0 200 O K\r\nX: a Session: stolen \r\n\r\n"


@pytest.mark.parametrize(
    ("line", "method", "url", "version"),
    [
        (b"OPTIONS * RTSP/1.0", "OPTIONS", "*", "RTSP/1.0"),
        (b"SETUP  rtsp://h/a  RTSP/1.0 ", "SETUP", "rtsp://h/a", "RTSP/1.0"),
        (b"PLAY rtsp://h/my stream RTSP/1.0", "PLAY", "rtsp://h/my stream", "RTSP/1.0"),
        (b"X-MINE rtsp://h/a RTSP/2.0", "X-MINE", "rtsp://h/a", "RTSP/2.0"),
        (b"GET /live/a HTTP/1.1", "GET", "/live/a", "HTTP/1.1"),
    ],
)
def test_request_lines(line: bytes, method: str, url: str, version: str) -> None:
    found = parse_head(line)
    assert isinstance(found, Request)
    assert (found.method, found.url, found.version) == (method, url, version)
    assert found.tunnels == version.startswith("HTTP")


@pytest.mark.parametrize("line", [b"RTSP/1.0 200", b"RTSP/1.0 200 ", b"RTSP/1.0 200 All is well"])
def test_status_lines(line: bytes) -> None:
    found = parse_head(line)
    assert isinstance(found, Response)
    assert found.status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"OPTIONS",
        b"OPTIONS *",
        b"OPTIONS * RTSP/1",
        b"OPTIONS RTSP/1.0",
        b"RTSP/1.0 20 OK",
        b"RTSP/1.0",
        b"OPTIONS * RTSP/1.0\r\nno colon",
        b"OPTIONS * RTSP/1.0\r\n: no name",
        b"OPTIONS * RTSP/1.0\r\nbad name: x",
        b"OPTIONS * RTSP/1.0\r\n begins with a blank",
        b"OPTIONS * RTSP/1.0" + b"\r\nX: y" * (MAX_HEADERS + 1),
    ],
)
def test_what_is_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_head(head)


def test_headers_have_no_case_and_may_be_repeated_and_folded() -> None:
    found = parse_head(
        b"OPTIONS * RTSP/1.0\r\ncseq :  7\nWWW-Authenticate: Basic\r\n"
        b"www-authenticate: Digest\r\n\trealm=x\r\nEmpty:\r\n  y"
    )
    assert found.cseq == 7
    assert found.headers.all("WWW-Authenticate") == ["Basic", "Digest realm=x"]
    assert found.headers.get("www-AUTHENTICATE") == "Basic"
    assert found.headers.get("Missing", "none") == "none"
    assert "EMPTY" in found.headers
    assert "Missing" not in found.headers
    assert found.headers.get("Empty") == "y"
    assert len(list(found.headers)) == 4
    assert "cseq" in repr(found.headers)
    assert found.headers != "text"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²", "9" * 21])
def test_a_sequence_number_that_is_none(text: str) -> None:
    assert Request("OPTIONS", "*", Headers([("CSeq", text)])).cseq is None
    assert Response(200, Headers([("CSeq", text)])).cseq is None


def test_headers_grow_in_order() -> None:
    headers = Headers()
    headers.add("CSeq", "1")
    headers.add("CSeq", "2")
    assert headers.all("cseq") == ["1", "2"]


@pytest.mark.parametrize(
    "head", [b"NONSENSE s3cret", b"DESCRIBE rtsp://h/a?key=s3cret", b"PLAY / RTSP/1.0\nAuth s3cret"]
)
def test_what_may_be_a_login_is_not_repeated(head: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        parse_head(head)
    assert "s3cret" not in str(refused.value)


def test_a_line_of_blanks_is_refused_in_no_time() -> None:
    began = time.thread_time()
    with pytest.raises(RemoteProtocolError):
        parse_head(b"PLAY x" + bytes([0x20]) * 60_000 + b"y")
    assert time.thread_time() - began < 1


def test_blanks_before_the_version_belong_to_nothing() -> None:
    request = parse_head(b"PLAY  rtsp://h/a b   RTSP/1.0")
    assert isinstance(request, Request)
    assert (request.url, request.version) == ("rtsp://h/a b", "RTSP/1.0")
