"""From replies to HTTP/1.1 responses (RFC 9110): heads, CORS, compression.

Sans-IO. Large bodies are never copied: a :class:`Response` refers to the objects that the reply
brought and says which bytes of them the client gets. Replies that many clients get, such as a
playlist until its next segment, are serialised once per second. Which part of a body a client
wants is :mod:`streamctl.net.http_condition`'s matter.
"""

from __future__ import annotations

import gzip
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

from streamctl.net.http_condition import (
    FIELDS,
    OK,
    PARTIAL,
    UNSATISFIABLE,
    cut,
    selection,
)
from streamctl.sdk.endpoints import Bytes
from streamctl.sdk.session import RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.sdk.endpoints import HttpRequest, Live
    from streamctl.sdk.session import Refusal

REFUSAL_STATUS = {
    RefusalCode.BAD_REQUEST: 400,
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
JOIN_BYTES = 16 * 1024
"""Up to this size a body is copied behind its head: cheaper than a second system call."""
READY_MAX = 64
"""Replies that are kept serialised: enough for what is asked for again within a second."""
PACKED_MAX = 16
"""Replies that are kept compressed, or watched for being asked for again."""
PACK_MIN_BYTES = 1400
"""What fits into one packet anyway gains nothing by being smaller."""
PACK_LEVEL = 4
"""Level 9 makes playlists 5 % smaller and takes five times as long."""
TEXTS = ("text/", "application/vnd.apple.mpegurl", "application/dash+xml", "application/json")
GZIP = re.compile(r"(?:^|[,\s])(?:x-)?gzip\s*(?:$|,|;\s*q=(?!0(?:\.0*)?\s*(?:,|$)))", re.IGNORECASE)
"""An ``Accept-Encoding`` that takes gzip."""
NO_BODY = frozenset({204, 304})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NAMES = re.compile(r"[A-Za-z0-9, _-]+")
"""A list of header names that can be repeated without care."""
EXPOSED = "Accept-Ranges, Content-Length, Content-Range, Date, ETag"
PREFLIGHT_S = 86_400


@dataclass(slots=True)
class Response:
    """What goes to the wire."""

    head: bytes
    """Status line and fields, and the body too when it is small."""
    body: bytes | Sequence[bytes] = ()
    """What the reply brought; from ``first`` up to ``last`` it goes behind the head."""
    first: int = 0
    last: int = 0


def problem(status: int, text: str, headers: Mapping[str, str] = NO_HEADERS) -> Bytes:
    """A short reply for people, such as those that refuse a request: a sentence, like outputs'."""
    body = f"{text}\n".encode()
    # What is missing now may be there in a moment.
    return Bytes(
        body, status, "text/plain; charset=utf-8", {"Cache-Control": "no-store", **headers}
    )


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
        self._packed: OrderedDict[int, tuple[Bytes, Bytes | None]] = OrderedDict()
        """The same with its compressed form, once it was asked for twice."""

    def response(self, request: HttpRequest, reply: Bytes, *, keep_alive: bool) -> Response:
        """The response to ``request``.

        Raises:
            ValueError: a header of the reply would break the response apart.
        """
        self._tick()
        wanted = request.headers
        if (
            "accept-encoding" in wanted
            and packable(reply)
            and GZIP.search(wanted["accept-encoding"])
        ):
            reply = self._pack(reply, wanted)
        if not (
            keep_alive
            and self._everyone
            and request.method == "GET"
            and request.version == "1.1"
            and FIELDS.isdisjoint(wanted)
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

    def _pack(self, reply: Bytes, wanted: Mapping[str, str]) -> Bytes:
        """The compressed form of a reply that is asked for again; else the reply itself."""
        if "range" in wanted:
            return reply
        known = self._packed.get(id(reply))
        if known is None:
            self._packed[id(reply)] = reply, None
            if len(self._packed) > PACKED_MAX:
                self._packed.popitem(last=False)
            return reply
        _, packed = known
        if packed is None:
            packed = compressed(reply)
            self._packed[id(reply)] = reply, packed
        self._packed.move_to_end(id(reply))
        return packed

    def _make(self, request: HttpRequest, reply: Bytes, *, keep_alive: bool) -> Response:
        body = reply.body
        size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        status, extra, first, last = reply.status, "", 0, size
        if status == OK:
            status, first, last = selection(request, reply, size)
            extra = self._place(reply, status, f"{first}-{last - 1}/{size}")
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
            parts = [body] if isinstance(body, bytes) else body
            return Response(b"".join((head, *cut(parts, first, last))))
        return Response(head, body, first, last)

    def _place(self, reply: Bytes, status: int, place: str) -> str:
        """Fields about a complete representation, and what of it is sent."""
        fields = "Accept-Ranges: bytes\r\n"
        if status == PARTIAL:
            fields += f"Content-Range: bytes {place}\r\n"
        elif status == UNSATISFIABLE:
            fields += f"Content-Range: bytes */{place.partition('/')[2]}\r\n"
        if reply.modified and int(reply.modified) < self._second:
            # Within its second a date can't tell two versions apart.
            fields += f"Last-Modified: {formatdate(reply.modified, usegmt=True)}\r\n"
        if packable(reply):
            fields += "Vary: Accept-Encoding\r\n"
        return fields

    def live_head(self, request: HttpRequest, reply: Live) -> bytes:
        """The head of an endless response: chunks for HTTP/1.1, else ended by the connection.

        Raises:
            ValueError: a header of the reply would break the response apart.
        """
        self._tick()
        fixed = (
            f"Content-Type: {reply.content_type}\r\nCache-Control: no-store\r\n"
            "X-Accel-Buffering: no\r\nConnection: close\r\n"
        )
        if request.version == "1.1":
            fixed += "Transfer-Encoding: chunked\r\n"
        return self._head(request, 200, fixed, reply.headers)

    def preflight(self, request: HttpRequest) -> Bytes:
        """The reply to ``OPTIONS``, with what a page of another origin may do."""
        headers = {"Allow": "GET, HEAD, OPTIONS"}
        if self._origin(request):
            headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
            asked = request.headers.get("access-control-request-headers", "")
            headers["Access-Control-Allow-Headers"] = asked if NAMES.fullmatch(asked) else "*"
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
            if request.headers.get("access-control-request-private-network") == "true":
                # A page from the internet asks whether it may reach a server in a local network.
                headers["Access-Control-Allow-Private-Network"] = "true"
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


def packable(reply: Bytes) -> bool:
    """Whether a reply could be smaller on its way."""
    return (
        reply.status == OK
        and isinstance(reply.body, bytes)
        and (len(reply.body) >= PACK_MIN_BYTES or "Content-Encoding" in reply.headers)
        and reply.content_type.startswith(TEXTS)
    )


def compressed(reply: Bytes) -> Bytes:
    """The same reply with a compressed body, which is another representation of its own tag."""
    assert isinstance(reply.body, bytes)
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    if etag := headers.get("ETag", ""):
        headers["ETag"] = f'{etag.removesuffix(chr(34))}-gzip"'
    return replace(reply, body=gzip.compress(reply.body, PACK_LEVEL, mtime=0), headers=headers)
