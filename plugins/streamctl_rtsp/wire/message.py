"""Requests and responses: their headers, their parts and their bytes (RFC 2326 sections 4 to 7).

What stands in the headers is told by :mod:`streamctl_rtsp.wire.transport`,
:mod:`streamctl_rtsp.wire.fields` and :mod:`streamctl_rtsp.wire.auth`; where a message ends in a
stream of bytes by :mod:`streamctl_rtsp.wire.reader`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = "RTSP/1.0"
UNKNOWN = "Unknown"
"""The phrase of a status that has none."""
MAX_HEADERS = 100
"""Clients send a dozen; proxies in front of a tunnel add as many."""
SHOWN = 40
"""Characters of somebody's text that an error repeats."""
MAX_CSEQ_DIGITS = 20
"""More than 64 bits hold: a longer one is nonsense."""
REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S.*) ((?:RTSP|HTTP)/\d\.\d)")
"""Further blanks before the version are left to the URL: to try them all would cost seconds."""
STATUS_LINE = re.compile(r"((?:RTSP|HTTP)/\d\.\d) +(\d{3})(?: (.*))?")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
"""What could begin a header of its own, or end them all."""


class Method(enum.StrEnum):
    """The methods that either side knows."""

    OPTIONS = "OPTIONS"
    DESCRIBE = "DESCRIBE"
    ANNOUNCE = "ANNOUNCE"
    SETUP = "SETUP"
    PLAY = "PLAY"
    PAUSE = "PAUSE"
    RECORD = "RECORD"
    TEARDOWN = "TEARDOWN"
    GET_PARAMETER = "GET_PARAMETER"
    SET_PARAMETER = "SET_PARAMETER"
    REDIRECT = "REDIRECT"


class Status(enum.IntEnum):
    """The status codes that are used here (section 7.1.1)."""

    OK = 200
    MOVED_PERMANENTLY = 301
    FOUND = 302
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    ENTITY_TOO_LARGE = 413
    UNSUPPORTED_MEDIA_TYPE = 415
    PARAMETER_NOT_UNDERSTOOD = 451
    NOT_ENOUGH_BANDWIDTH = 453
    SESSION_NOT_FOUND = 454
    NOT_VALID_IN_THIS_STATE = 455
    INVALID_RANGE = 457
    AGGREGATE_NOT_ALLOWED = 459
    ONLY_AGGREGATE_ALLOWED = 460
    UNSUPPORTED_TRANSPORT = 461
    INTERNAL_ERROR = 500
    NOT_IMPLEMENTED = 501
    SERVICE_UNAVAILABLE = 503
    VERSION_NOT_SUPPORTED = 505
    OPTION_NOT_SUPPORTED = 551

    @property
    def reason(self) -> str:
        """The phrase that stands behind the code."""
        return REASONS[self]


REASONS = {
    Status.OK: "OK",
    Status.MOVED_PERMANENTLY: "Moved Permanently",
    Status.FOUND: "Found",
    Status.BAD_REQUEST: "Bad Request",
    Status.UNAUTHORIZED: "Unauthorized",
    Status.FORBIDDEN: "Forbidden",
    Status.NOT_FOUND: "Not Found",
    Status.METHOD_NOT_ALLOWED: "Method Not Allowed",
    Status.NOT_ACCEPTABLE: "Not Acceptable",
    Status.ENTITY_TOO_LARGE: "Request Entity Too Large",
    Status.UNSUPPORTED_MEDIA_TYPE: "Unsupported Media Type",
    Status.PARAMETER_NOT_UNDERSTOOD: "Parameter Not Understood",
    Status.NOT_ENOUGH_BANDWIDTH: "Not Enough Bandwidth",
    Status.SESSION_NOT_FOUND: "Session Not Found",
    Status.NOT_VALID_IN_THIS_STATE: "Method Not Valid in This State",
    Status.INVALID_RANGE: "Invalid Range",
    Status.AGGREGATE_NOT_ALLOWED: "Aggregate Operation Not Allowed",
    Status.ONLY_AGGREGATE_ALLOWED: "Only Aggregate Operation Allowed",
    Status.UNSUPPORTED_TRANSPORT: "Unsupported Transport",
    Status.INTERNAL_ERROR: "Internal Server Error",
    Status.NOT_IMPLEMENTED: "Not Implemented",
    Status.SERVICE_UNAVAILABLE: "Service Unavailable",
    Status.VERSION_NOT_SUPPORTED: "RTSP Version Not Supported",
    Status.OPTION_NOT_SUPPORTED: "Option Not Supported",
}


class Headers:
    """Header fields in their order; names have no case, and may occur several times."""

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields = list(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first value of that name."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), default)

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        wanted = name.lower()
        return [value for key, value in self.fields if key.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        self.fields.append((name, value))

    def __contains__(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self.fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"


@dataclass(slots=True)
class Request:
    """What one side asks of the other."""

    method: str
    """As it was sent; :class:`Method` has the known ones."""
    url: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION
    """``HTTP/1.x`` in a request that opens a tunnel."""

    @property
    def cseq(self) -> int | None:
        """The sequence number; None = missing or no number."""
        return cseq(self.headers)

    @property
    def tunnels(self) -> bool:
        """Whether it is one of HTTP."""
        return self.version.startswith("HTTP/")

    def serialize(self) -> bytes:
        """The bytes of the request."""
        return serialize(f"{self.method} {self.url} {self.version}", self.headers, self.body)


@dataclass(slots=True)
class Response:
    """The answer to a request."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    reason: str = ""
    """Empty = the usual phrase of the status."""
    version: str = VERSION

    @property
    def cseq(self) -> int | None:
        """The sequence number; None = missing or no number."""
        return cseq(self.headers)

    def serialize(self) -> bytes:
        """The bytes of the response."""
        reason = self.reason or phrase(self.status)
        return serialize(f"{self.version} {self.status} {reason}", self.headers, self.body)


def phrase(status: int) -> str:
    """The usual phrase of a status code."""
    try:
        return Status(status).reason
    except ValueError:
        return UNKNOWN


def cseq(headers: Headers) -> int | None:
    """The sequence number among header fields."""
    text = headers.get("CSeq").strip()
    if text.isascii() and text.isdigit() and len(text) <= MAX_CSEQ_DIGITS:
        return int(text)
    return None


def serialize(line: str, headers: Headers, body: bytes) -> bytes:
    """The bytes of a message; a body gets its length."""
    lines = [CONTROL.sub(" ", line)]
    lines += [f"{name}: {CONTROL.sub(' ', value)}" for name, value in headers]
    if body and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("utf-8", "replace") + body


def parse_head(head: bytes) -> Request | Response:
    """A message without its body, from what stands before the empty line.

    Raises:
        RemoteProtocolError: it is none; ``reply`` is empty.
    """
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    headers = parse_headers(lines[1:])
    found = STATUS_LINE.fullmatch(lines[0].rstrip())
    if found is not None:
        version, status, reason = found.groups()
        return Response(int(status), headers, reason=reason or "", version=version)
    found = REQUEST_LINE.fullmatch(lines[0].rstrip())
    if found is None:
        raise RemoteProtocolError(f"not a line of RTSP: {begin(lines[0])}")
    method, url, version = found.groups()
    return Request(method, url.rstrip(" "), headers, version=version)


def parse_headers(lines: Iterable[str]) -> Headers:
    """Header fields, one per line; a line that begins with a blank goes on with the last one.

    Raises:
        RemoteProtocolError: a line is none, or there are too many.
    """
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        name = name.rstrip()
        if not colon or TOKEN.fullmatch(name) is None:
            raise RemoteProtocolError(f"not a header: {begin(line)}")
        if len(fields) == MAX_HEADERS:
            raise RemoteProtocolError(f"more than {MAX_HEADERS} headers")
        fields.append((name, value.strip()))
    return Headers(fields)


def begin(line: str) -> str:
    """The first word of a line, which may hold a login further on."""
    return repr(line.lstrip()[:SHOWN].partition(" ")[0])
