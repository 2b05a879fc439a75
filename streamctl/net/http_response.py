"""From replies to HTTP/1.1 responses (RFC 9110): heads, ranges, conditions, CORS.

Sans-IO. Large bodies are never copied: a :class:`Response` refers to the objects that the reply
brought, or to views of them when the client asked for a range. Replies that many clients get, such
as a playlist until its next segment, are serialised once per second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

from streamctl.sdk.endpoints import Bytes
from streamctl.sdk.session import RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.sdk.endpoints import HttpRequest, Live
    from streamctl.sdk.session import Refusal

REFUSAL_STATUS = {
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.UNAUTHORIZED: 401,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.BUSY: 409,
    RefusalCode.LIMIT: 503,
    RefusalCode.DISABLED: 404,
    RefusalCode.UNSUPPORTED: 404,
    RefusalCode.SHUTDOWN: 503,
}
RETRY_AFTER_S = 5
"""How long a client is asked to wait when the server can't take it now."""

PHRASES = {status.value: status.phrase for status in HTTPStatus}
OK, PARTIAL, NOT_MODIFIED, UNSATISFIABLE = 200, 206, 304, 416
JOIN_BYTES = 16 * 1024
"""Up to this size a body is copied behind its head: cheaper than a second system call."""
READY_MAX = 64
"""Replies that are kept serialised: enough for what is asked for again within a second."""
NO_BODY = frozenset({204, 304})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
NAMES = re.compile(r"[A-Za-z0-9, _-]+")
"""A list of header names that can be repeated without care."""
EXPOSED = "Content-Length, Content-Range, Date, ETag"
PREFLIGHT_S = 86_400


@dataclass(slots=True)
class Response:
    """What goes to the wire."""

    head: bytes
    """Status line and fields, and the body too when it is small."""
    body: Sequence[bytes | memoryview] = ()


def problem(status: int, text: str, headers: Mapping[str, str] = NO_HEADERS) -> Bytes:
    """A short reply for people, such as those that refuse a request."""
    body = f"{status} {text}\n".encode()
    return Bytes(body, status, "text/plain; charset=utf-8", headers)


def refused(refusal: Refusal) -> Bytes:
    """The reply that tells a client about a refusal."""
    status = REFUSAL_STATUS[refusal.code]
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="streamctl"'
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return problem(status, refusal.message, headers)


class ResponseWriter:
    """Completes replies; ``cors`` holds the origins whose pages may read them."""

    def __init__(self, wall: Callable[[], float], cors: Sequence[str] = ("*",)) -> None:
        self._wall = wall
        self._cors = frozenset(cors)
        self._everyone = "*" in self._cors
        self._second = -1
        self._date = ""
        self._ready: dict[int, tuple[Bytes, Response]] = {}
        """By identity of the reply, which is held so that no other can get its id."""

    def response(self, request: HttpRequest, reply: Bytes, *, keep_alive: bool) -> Response:
        """The response to ``request``.

        Raises:
            ValueError: a header of the reply would break the response apart.
        """
        self._tick()
        wanted = request.headers
        if not (
            keep_alive
            and self._everyone
            and request.method == "GET"
            and request.version == "1.1"
            and "range" not in wanted
            and "if-none-match" not in wanted
        ):
            return self._make(request, reply, keep_alive=keep_alive)
        found = self._ready.get(id(reply))
        if found is not None:
            return found[1]
        response = self._make(request, reply, keep_alive=True)
        if len(self._ready) >= READY_MAX:
            self._ready.clear()
        self._ready[id(reply)] = (reply, response)
        return response

    def _make(self, request: HttpRequest, reply: Bytes, *, keep_alive: bool) -> Response:
        body: Sequence[bytes | memoryview]
        body = [reply.body] if isinstance(reply.body, bytes) else reply.body
        size = sum(map(len, body))
        status, extra, first, last = reply.status, "", 0, size
        if status == OK:
            status, first, last = selection(request, reply, size)
            extra = "Accept-Ranges: bytes\r\n"
            if status == PARTIAL:
                body = cut(body, first, last)
                extra += f"Content-Range: bytes {first}-{last - 1}/{size}\r\n"
            elif status == UNSATISFIABLE:
                extra += f"Content-Range: bytes */{size}\r\n"
        if status not in NO_BODY:
            extra += f"Content-Type: {reply.content_type}\r\nContent-Length: {last - first}\r\n"
        if not keep_alive:
            extra += "Connection: close\r\n"
        elif request.version == "1.0":
            extra += "Connection: keep-alive\r\n"
        head = self._head(request, status, extra, reply.headers)
        if first == last or request.method == "HEAD" or status in NO_BODY:
            return Response(head)
        if last - first <= JOIN_BYTES:
            return Response(b"".join((head, *body)))
        return Response(head, body)

    def live_head(self, request: HttpRequest, reply: Live) -> bytes:
        """The head of an endless response; its end is the end of the connection.

        Raises:
            ValueError: a header of the reply would break the response apart.
        """
        self._tick()
        fixed = (
            f"Content-Type: {reply.content_type}\r\nCache-Control: no-store\r\n"
            "X-Accel-Buffering: no\r\nConnection: close\r\n"
        )
        return self._head(request, 200, fixed, reply.headers)

    def preflight(self, request: HttpRequest) -> Bytes:
        """The reply to ``OPTIONS``, with what a page of another origin may do."""
        headers = {"Allow": "GET, HEAD, OPTIONS"}
        if self._origin(request):
            headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
            asked = request.headers.get("access-control-request-headers", "")
            headers["Access-Control-Allow-Headers"] = asked if NAMES.fullmatch(asked) else "*"
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
        return Bytes(status=204, headers=headers)

    def _tick(self) -> None:
        """Renew what depends on the time, once per second."""
        second = int(self._wall())
        if second != self._second:
            self._second = second
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\nServer: streamctl\r\n"
            self._ready.clear()

    def _head(
        self, request: HttpRequest, status: int, fixed: str, headers: Mapping[str, str]
    ) -> bytes:
        origin = self._origin(request)
        if origin:
            fixed += (
                f"Access-Control-Allow-Origin: {origin}\r\n"
                f"Access-Control-Expose-Headers: {EXPOSED}\r\n"
            )
        if not self._everyone:
            fixed += "Vary: Origin\r\n"
        for name, value in headers.items():
            if not (name + value).isprintable():
                raise ValueError(f"not a header: {name!r}: {value!r}")
            fixed += f"{name}: {value}\r\n"
        start = f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n"
        return f"{start}{self._date}{fixed}\r\n".encode("latin-1")

    def _origin(self, request: HttpRequest) -> str:
        """What ``Access-Control-Allow-Origin`` says; empty = the header is left out."""
        if self._everyone:
            return "*"
        origin = request.headers.get("origin", "")
        return origin if origin in self._cors else ""


def selection(request: HttpRequest, reply: Bytes, size: int) -> tuple[int, int, int]:
    """Status, first byte and end of what a client wants of a complete representation."""
    wanted = request.headers
    etag = ""
    if reply.headers:
        etag = next((text for name, text in reply.headers.items() if name.lower() == "etag"), "")
        if etag and none_match(wanted.get("if-none-match", ""), etag):
            return NOT_MODIFIED, 0, 0
    asked = wanted.get("range")
    if asked is None or request.method != "GET":
        return OK, 0, size
    condition = wanted.get("if-range")
    if condition is not None and condition != etag:
        return OK, 0, size
    return byte_range(asked, size)


def none_match(condition: str, etag: str) -> bool:
    """Whether ``If-None-Match`` names the tag; weak and strong tags compare alike."""
    known = {tag.strip().removeprefix("W/") for tag in condition.split(",")}
    return etag.removeprefix("W/") in known or "*" in known


def byte_range(asked: str, size: int) -> tuple[int, int, int]:
    """Status, first byte and end for a ``Range`` header; several ranges get everything."""
    found = RANGE.fullmatch(asked.strip())
    if found is None or found.group(0) == "bytes=-":
        return OK, 0, size
    low, high = found.groups()
    if not low:
        first, end = max(size - int(high), 0), size
    else:
        first, end = int(low), size
        if high and int(high) < first:
            return OK, 0, size
        if high:
            end = min(int(high) + 1, size)
    if first >= size:
        return UNSATISFIABLE, 0, 0
    return PARTIAL, first, end


def cut(body: Sequence[bytes | memoryview], first: int, last: int) -> list[bytes | memoryview]:
    """Views of the bytes from ``first`` up to ``last`` of a body in parts."""
    views: list[bytes | memoryview] = []
    for part in body:
        low, high = max(first, 0), min(last, len(part))
        if low < high:
            views.append(memoryview(part)[low:high])
        first -= len(part)
        last -= len(part)
    return views
