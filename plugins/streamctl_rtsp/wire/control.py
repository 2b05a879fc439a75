"""URLs of streams and of their tracks, as servers write them and clients spell them.

The control attribute of a track is a URL of its own or stands relative to ``Content-Base``,
``Content-Location`` or the request (RFC 2326 section C.1.1). Many servers mean "append it to the
URL of the stream", whatever the rules of relative URLs say about its last segment; so do we.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from streamctl.errors import RemoteProtocolError

TRACK = "trackID="
"""What the tracks of our descriptions are called, with their number behind it."""
TRACK_SEGMENT = re.compile(r"/(?:trackID|streamid|track)=(\d{1,3})/?$", re.IGNORECASE)
ABSOLUTE = re.compile(r"rtsps?://", re.IGNORECASE)
MAX_URL = 4_096
MAX_QUERY_FIELDS = 64


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """What a client's URL names."""

    path: str
    """Without the leading ``/``, the track and the query."""
    query: tuple[tuple[str, str], ...] = ()
    track: int | None = None
    """The number behind ``trackID=`` or ``streamid=``; None = the stream."""
    base: str = ""
    """The URL of the stream as the client spelt it, with its query and without its track."""


def parse_target(url: str) -> Target:
    """Read the URL of a request.

    Raises:
        RemoteProtocolError: it is none of RTSP.
    """
    if len(url) > MAX_URL:
        raise RemoteProtocolError(f"a URL of more than {MAX_URL} characters")
    if not ABSOLUTE.match(url) and not url.startswith("/"):
        raise RemoteProtocolError(f"not a URL of RTSP: `{url[:40]}`")
    # A track may stand behind the query, which then is the stream's: `/live/a?key=b/trackID=0`.
    found = TRACK_SEGMENT.search(url)
    track = int(found[1]) if found else None
    base = url[: found.start()] if found else url
    try:
        parts = urlsplit(base)
        query = parse_qsl(
            parts.query.rstrip("/"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError as error:
        raise RemoteProtocolError(f"not a URL of RTSP: {error}") from None
    path = parts.path
    if found is None and (inner := TRACK_SEGMENT.search(path)):
        # Or before it: `/live/a/trackID=0?key=b`.
        track = int(inner[1])
        path = path[: inner.start()]
        base = base.replace(parts.path, path, 1)
    return Target(unquote(path).strip("/"), tuple(query), track, base)


def stripped(url: str) -> str:
    """The URL without user and password, as it stands in requests."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    end = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    return f"{scheme}://{rest[:end].rpartition('@')[2]}{rest[end:]}"


def resolve(base: str, control: str) -> str:
    """The URL of a track, or of the whole stream, by its control attribute."""
    control = control.strip()
    if control in {"", "*"}:
        return base
    if ABSOLUTE.match(control):
        return control
    if control.startswith("/"):
        scheme, _, rest = base.partition("://")
        host = re.split(r"[/?]", rest, maxsplit=1)[0]
        return f"{scheme}://{host}{control}"
    if control.startswith("?"):
        return base.partition("?")[0] + control
    return base + control if base.endswith("/") else f"{base}/{control}"
