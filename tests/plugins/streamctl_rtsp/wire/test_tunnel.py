"""RTSP through HTTP."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.message import Headers, Request, Response, parse_head
from streamctl_rtsp.wire.tunnel import CONTENT_TYPE, TunnelDecoder, cookie, opened, opening


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 40), st.booleans())
def test_pieces_of_any_length_come_out_as_they_went_in(
    parts: list[bytes], size: int, lines: bool
) -> None:
    text = (b"\r\n" if lines else b"").join(base64.b64encode(part) for part in parts)
    decoder = TunnelDecoder()
    found = b"".join(decoder.receive(text[at : at + size]) for at in range(0, len(text), size))
    assert found == b"".join(parts)


@pytest.mark.parametrize("text", [b"OPTIONS * RTSP/1.0", b"a===", b"=abc", b"ab=c", b"\xff" * 4])
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        TunnelDecoder().receive(text)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_opens_both_directions_under_one_name(method: str) -> None:
    request = opening(method, "/live/a", "h:8554", "q1")
    found = parse_head(request.serialize().removesuffix(b"\r\n\r\n"))
    assert isinstance(found, Request)
    assert found.tunnels
    assert cookie(found) == "q1"
    assert CONTENT_TYPE in dict(found.headers).values()


def test_the_server_takes_the_way_back() -> None:
    found = parse_head(opened("HTTP/1.1").serialize().removesuffix(b"\r\n\r\n"))
    assert isinstance(found, Response)
    assert found.version == "HTTP/1.1"
    assert found.headers.get("content-type") == CONTENT_TYPE


@pytest.mark.parametrize("text", ["", "two words", "x" * 300])
def test_a_name_that_is_none(text: str) -> None:
    headers = Headers([("x-sessioncookie", text)])
    assert cookie(Request("GET", "/", headers)) == ""
