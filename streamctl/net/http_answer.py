"""From bytes to one HTTP response (RFC 9112): its head, and its body as it comes.

Sans-IO around ``httptools``, for responses that we have asked for. Interim responses (1xx) are
passed over; what follows the response is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_MAX_BYTES = 65_536
"""Servers send some hundred; those with many cookies a few thousand."""
SLICE_BYTES = 4096
"""A head is read in pieces of this size, so that an endless one is noticed in time."""
LENGTHS = frozenset({"content-length", "transfer-encoding"})
"""Headers that tell where a body ends."""
NO_MEDIA = ("text/html", "text/xml", "application/json", "application/xml", "image/")
"""What pages and errors come as. Media is called all kinds of things by servers."""
FILE_MARKS = ("accept-ranges", "etag", "last-modified")
"""Headers that a server has for files, and not for what it makes as it goes."""
FINAL = 200
"""Responses below this status are followed by another."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a body."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in lower case; of those that come twice the first."""
    version: str
    cookies: tuple[str, ...] = ()
    """Every ``Set-Cookie``, as it stands."""

    @property
    def media_type(self) -> str:
        """What the body is said to be; empty = nothing is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def shows_no_media(self) -> bool:
        """Whether it is a page, or a message of an error."""
        return self.media_type.startswith(NO_MEDIA)

    @property
    def file_bytes(self) -> str:
        """The size of the file that comes; empty = it is made as it goes, or nothing tells."""
        marked = any(mark in self.headers for mark in FILE_MARKS)
        return self.headers.get("content-length", "") if marked else ""


class ResponseReader:
    """Reads one response."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.complete = False
        """The body has come to its end."""
        self.reusable = False
        """It has, and the connection can serve another request."""
        self._headers: dict[str, str] = {}
        self._cookies: list[str] = []
        self._reason = b""
        self._body: list[bytes] = []
        self._fed = 0
        self._framing = 0
        """Bytes that came behind the head since the last ones of the body."""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | memoryview) -> bytes:
        """What the bytes hold of the body.

        Raises:
            RemoteProtocolError: this is no response, or its head is too large.
        """
        try:
            while self.head is None and len(data):
                piece, data = data[:SLICE_BYTES], data[SLICE_BYTES:]
                self._fed += len(piece)
                if self._fed > HEAD_MAX_BYTES:
                    raise RemoteProtocolError("the head of the response is too large")
                self._parser.feed_data(piece)
            if len(data) and not self.complete:
                self._parser.feed_data(data)
                self._measure(len(data))
        except httptools.HttpParserError as error:
            self.reusable = False
            if not self.complete:
                raise RemoteProtocolError(f"no HTTP response: {error}".lower()) from None
        body, self._body = self._body, []
        return body[0] if len(body) == 1 else b"".join(body)

    def _measure(self, size: int) -> None:
        """Bound what belongs to a body and is none: extensions of chunks, and trailers.

        Raises:
            RemoteProtocolError: there is too much of it in a row.
        """
        self._framing = 0 if self._body or self.complete else self._framing + size
        if self._framing > HEAD_MAX_BYTES:
            raise RemoteProtocolError("the body has more frames than content")

    def end(self) -> bool:
        """The connection was closed; whether the body is whole, since nothing tells its length."""
        told = (
            self.head is None or {"content-length", "transfer-encoding"} & self.head.headers.keys()
        )
        self.complete = self.complete or not told
        return self.complete

    # What httptools calls.

    def on_message_begin(self) -> None:
        self.reusable = False
        self._headers = {}
        self._cookies = []
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is not None:
            # A trailer: it must not pass for a header, nor fill the memory.
            return
        field, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        if field == "set-cookie":
            self._cookies.append(text)
        self._headers.setdefault(field, text)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= FINAL and self.head is None:
            reason = self._reason.decode("latin-1")
            version = self._parser.get_http_version()
            self.head = Head(status, reason, self._headers, version, tuple(self._cookies))

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._body.append(data)

    def on_message_complete(self) -> None:
        # What nobody asked for may follow, and ends the use of the connection.
        self.reusable = not self.complete and self._parser.should_keep_alive()
        self.complete = self.head is not None
