"""From bytes to HTTP/1.1 requests (RFC 9112), with every limit on what a client may send.

Sans-IO around ``httptools``: :meth:`RequestReader.feed` takes whatever arrived and returns the
requests that it completed. A request that must not reach a handler carries its ``refusal``
instead; after one the reader takes no more, because what follows can't be trusted to be framed.

What two servers in a row could frame differently is refused: two lengths, a length beside chunks,
folded lines, line ends without CR (all by the strict parser), chunks in HTTP/1.0, and more or less
than one ``Host``. Bodies have no meaning here; small ones are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes

import httptools

from streamctl.net.http_response import problem
from streamctl.sdk.endpoints import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.endpoints import Address, Bytes

BODY_MAX_BYTES = 8192
"""A small body that some client sends anyway is skipped."""
FRAMED_BODY_MAX_BYTES = 65_536
"""The same with the frames of chunks, their extensions and trailers."""
TARGET_MAX_BYTES = 8192
"""What RFC 9112 asks of servers; the queries of players have a few hundred."""
QUERY_MAX_FIELDS = 64
"""Players send a handful; the limit bounds the work that one request can cause."""
REMEMBERED_MAX_BYTES = 2048
"""Requests of players are shorter; each connection may keep one."""
PIPELINE_MAX = 64
"""Requests that may come at once, or wait for an earlier answer; clients that pipeline send a few.
One read could hold ten thousand, and everybody else would wait for their answers."""
SLICE_BYTES = 2048
"""The parser tells no places and passes over blanks: larger reads are measured piece by piece."""
TARGETS_REMEMBERED = 512
"""Viewers of one stream ask for the same few targets at the same time."""

VERSIONS = frozenset({"1.0", "1.1"})
METHODS = {b"GET": "GET", b"HEAD": "HEAD", b"OPTIONS": "OPTIONS"}
ALLOW = {"Allow": "GET, HEAD, OPTIONS"}
NO_QUERY: Mapping[str, str] = MappingProxyType({})

ABSOLUTE_FORM = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
METHOD_TOKEN = re.compile(rb"[A-Z][A-Z-]{0,30} ")
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")
CONTINUE = "100-continue"
CHUNKED = "chunked"


@dataclass(slots=True)
class Incoming:
    """A request in the order of arrival."""

    request: HttpRequest
    keep_alive: bool
    """Whether the client expects to go on using the connection."""
    refusal: Bytes | None = None
    """The answer that takes the handler's place."""
    interim: bool = False
    """The client waits for ``100 Continue`` before it sends the rest of the request."""


class RequestReader:
    """Collects requests of one connection."""

    def __init__(self, remote: Address, max_header_bytes: int) -> None:
        self.partial = False
        """Whether a request has begun and is not complete."""
        self.failed = False
        """Whether the last request was refused in a way that ends the connection."""
        self._ip, self._port = remote
        self._max_header_bytes = max_header_bytes
        self._nothing = HttpRequest("GET", "/", NO_QUERY, {}, self._ip, self._port)
        self._complete: list[Incoming] = []
        self._seen = b""
        """Bytes that were exactly one request, and what they gave."""
        self._seen_gave: list[Incoming] = []
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._fed_bytes = 0
        self._body_bytes = 0
        self._in_head = False
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> list[Incoming]:
        """The requests that ``data`` completes; what follows too many of them is not read."""
        if self.failed:
            return []
        if data == self._seen and not self.partial:
            return self._seen_gave
        between = not self.partial
        for start in range(0, len(data), SLICE_BYTES):
            self._take(data[start : start + SLICE_BYTES])
            if len(self._complete) > PIPELINE_MAX or self.failed:
                break
        complete = self._complete
        self._complete = []
        if between and len(complete) == 1 and len(data) <= REMEMBERED_MAX_BYTES:
            self._remember(data, complete)
        return complete

    def _take(self, data: bytes) -> None:
        """Read some bytes on; what they are too much for is refused."""
        between = not self.partial
        before = len(self._complete)
        try:
            self._parse(data)
        except httptools.HttpParserInvalidMethodError:
            if between and len(self._complete) == before and METHOD_TOKEN.match(data):
                self._refuse(405, "only GET, HEAD and OPTIONS are served", ALLOW)
            else:
                self._refuse(400, "this port speaks HTTP/1.1")
        except httptools.HttpParserError:
            self._refuse(400, "malformed request")
        if self.partial and not self.failed and len(self._complete) == before:
            self._measure(data)

    def close(self) -> None:
        """Let go of the parser, which refers back to this."""
        del self._parser

    def _measure(self, data: bytes) -> None:
        """Bound what belongs to an unfinished request, also what is in no callback."""
        self._fed_bytes += len(data)
        if self._in_head:
            if self._fed_bytes > self._max_header_bytes:
                self._too_large()
        elif self._fed_bytes > self._max_header_bytes + FRAMED_BODY_MAX_BYTES:
            self._refuse(413, "no request here takes a body")

    def _remember(self, data: bytes, complete: list[Incoming]) -> None:
        """Spare the parser the same bytes: players repeat the request for a playlist."""
        if not self.partial and not self.failed and complete[0].keep_alive:
            self._seen = data
            self._seen_gave = complete

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # An offer to change the protocol may be ignored (RFC 9110, section 7.8), but
                # the parser stops at one.
                self._parser = httptools.HttpRequestParser(self)
                data = data[upgrade.args[0] :]
                if self.failed or not data:
                    return
            else:
                return

    # What httptools calls.

    def on_message_begin(self) -> None:
        self.partial = self._in_head = True
        self._url = b""
        self._headers = {}
        self._head_bytes = self._fed_bytes = self._body_bytes = 0

    def on_url(self, part: bytes) -> None:
        self._url += part
        self._head_bytes += len(part)
        if len(self._url) > TARGET_MAX_BYTES:
            self._refuse(414, f"more than {TARGET_MAX_BYTES} bytes of request target")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer: nothing here has a use for one, and it must not pass for a header.
            return
        self._head_bytes += len(name) + len(value)
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in self._headers:
            if key == "host":
                self._refuse(400, "more than one Host")
            text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        version = self._parser.get_http_version()
        host = headers.get("host")
        if self._head_bytes > self._max_header_bytes:
            self._too_large()
        elif version not in VERSIONS:
            self._refuse(505, "this port speaks HTTP/1.1")
        elif self._parser.get_method() not in METHODS:
            self._refuse(405, "only GET, HEAD and OPTIONS are served", ALLOW)
        elif host is None:
            if version == "1.1":
                self._refuse(400, "no Host")
        elif not HOST.fullmatch(host):
            self._refuse(400, "malformed Host")
        if "content-length" in headers or "transfer-encoding" in headers:
            self._on_body_announced(version)

    def _on_body_announced(self, version: str) -> None:
        coding = self._headers.get("transfer-encoding")
        if coding is not None and version != "1.1":
            self._refuse(400, "chunks need HTTP/1.1")
        elif coding is not None and coding.lower() != CHUNKED:
            self._refuse(501, "no other transfer coding than chunked")
        elif int(self._headers.get("content-length", "0")) > BODY_MAX_BYTES:
            self._refuse(413, "no request here takes a body")
        elif version == "1.1" and "expect" in self._headers:
            if self._headers["expect"].lower() != CONTINUE:
                self._refuse(417, "nothing but 100-continue can be expected")
            elif not self.failed:
                self._complete.append(Incoming(self._nothing, keep_alive=True, interim=True))

    def on_body(self, part: bytes) -> None:
        self._body_bytes += len(part)
        if self._body_bytes > BODY_MAX_BYTES:
            self._refuse(413, "no request here takes a body")

    def on_message_complete(self) -> None:
        if self.failed:
            return
        self.partial = False
        method = METHODS[self._parser.get_method()]
        try:
            path, query = split_target(self._url)
            if path == "*" and method != "OPTIONS":
                raise ValueError("malformed request target")
        except ValueError as error:
            self._refuse(400, str(error))
            return
        request = HttpRequest(
            method,
            path,
            query,
            self._headers,
            self._ip,
            self._port,
            self._parser.get_http_version(),
        )
        self._complete.append(Incoming(request, self._parser.should_keep_alive()))

    def _too_large(self) -> None:
        self._refuse(431, f"more than {self._max_header_bytes} bytes of request header")

    def _refuse(self, status: int, text: str, headers: Mapping[str, str] = NO_QUERY) -> None:
        if self.failed:
            return
        self.failed = True
        request = replace(self._nothing, headers=self._headers)
        refusal = problem(status, text, headers)
        self._complete.append(Incoming(request, keep_alive=False, refusal=refusal))


@lru_cache(maxsize=TARGETS_REMEMBERED)
def split_target(target: bytes) -> tuple[str, Mapping[str, str]]:
    """The decoded path and the query of a request target (RFC 9112, section 3.2).

    Raises:
        ValueError: not a target, or a path that tries to climb.
    """
    if not target.startswith(b"/"):
        absolute = ABSOLUTE_FORM.match(target)
        if absolute is not None:
            target = target[absolute.end() :]
            target = target if target.startswith(b"/") else b"/" + target
        elif target != b"*":
            raise ValueError("malformed request target")
    encoded, _, query = target.partition(b"?")
    if LONE_PERCENT.search(encoded) or b"#" in target:
        raise ValueError("malformed request target")
    try:
        path = unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the path is not UTF-8") from None
    if CONTROLS.search(path) or ".." in path.split("/"):
        raise ValueError("malformed path")
    if not query:
        return path, NO_QUERY
    fields = parse_qsl(
        query.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_MAX_FIELDS
    )
    return path, MappingProxyType(dict(fields))
