"""RTSP through HTTP: two connections, one for each direction.

The client opens ``GET`` and gets everything from the server there, as it is; on a second connection
it sends ``POST`` and then its requests in base64, in pieces of any length. Both name the same
``x-sessioncookie``. Specification: Apple, "Tunnelling RTSP and RTP through HTTP".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.message import Headers, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT_TYPE = "application/x-rtsp-tunnelled"
COOKIE = re.compile(r"[^\s;,]{1,256}")
BLANKS = re.compile(rb"[\r\n\t ]+")
POST_LENGTH = "32767"
"""A length that says nothing: the connection goes on as long as it is needed."""


class TunnelDecoder:
    """Takes base64 as it comes; each piece may have been encoded, and padded, on its own."""

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, data: bytes | memoryview) -> bytes:
        """The bytes behind what came.

        Raises:
            RemoteProtocolError: it is no base64.
        """
        text = self._rest + BLANKS.sub(b"", bytes(data))
        whole = len(text) & ~3
        text, self._rest = text[:whole], text[whole:]
        try:
            if b"=" not in text:
                return base64.b64decode(text, validate=True)
            return b"".join(pieces(text))
        except binascii.Error:
            raise RemoteProtocolError("not base64 in a tunnel through HTTP") from None


def pieces(text: bytes) -> Iterable[bytes]:
    """The bytes of several encodings behind each other.

    Raises:
        binascii.Error: they are none.
    """
    at = 0
    while at < len(text):
        end = text.find(b"=", at)
        stop = len(text) if end < 0 else (end + 4) & ~3
        yield base64.b64decode(text[at:stop], validate=True)
        at = stop


def cookie(request: Request) -> str:
    """The name of the tunnel that a request belongs to; empty = none."""
    text = request.headers.get("x-sessioncookie").strip()
    return text if COOKIE.fullmatch(text) else ""


def opening(method: str, url: str, host: str, name: str) -> Request:
    """A client's request that opens one direction of a tunnel, ``GET`` or ``POST``."""
    fields = [("Host", host), ("x-sessioncookie", name)]
    if method == "GET":
        fields += [("Accept", CONTENT_TYPE)]
    else:
        fields += [("Content-Type", CONTENT_TYPE), ("Content-Length", POST_LENGTH)]
    fields += [("Pragma", "no-cache"), ("Cache-Control", "no-cache")]
    return Request(method, url, Headers(fields), version="HTTP/1.0")


def opened(version: str) -> Response:
    """A server's answer to ``GET``."""
    fields = [
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
        ("Content-Type", CONTENT_TYPE),
    ]
    return Response(200, Headers(fields), version=version)
