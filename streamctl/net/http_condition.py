"""What of a representation a client wants: conditions and ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.sdk.endpoints import Bytes, HttpRequest

OK, PARTIAL, NOT_MODIFIED, FAILED, UNSATISFIABLE = 200, 206, 304, 412, 416
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
FIELDS = frozenset(
    {
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
    }
)
"""Header fields of requests that don't simply want everything."""


def selection(request: HttpRequest, reply: Bytes, size: int) -> tuple[int, int, int]:
    """Status, first byte and end of what a client wants of a complete representation."""
    wanted = request.headers
    if FIELDS.isdisjoint(wanted):
        return OK, 0, size
    etag = etag_of(reply)
    status = precondition(wanted, etag, reply.modified)
    if status != OK:
        return status, 0, 0
    asked = wanted.get("range")
    if asked is None or request.method != "GET":
        return OK, 0, size
    condition = wanted.get("if-range")
    if condition is not None and not same(condition, etag, reply.modified):
        return OK, 0, size
    return byte_range(asked, size)


def etag_of(reply: Bytes) -> str:
    """The entity tag of a reply; empty if it has none."""
    return next((text for name, text in reply.headers.items() if name.lower() == "etag"), "")


def precondition(wanted: Mapping[str, str], etag: str, modified: float) -> int:
    """The status that the conditions of a ``GET`` or ``HEAD`` lead to, in the order of 13.2.2."""
    if "if-match" in wanted:
        if not strong_match(wanted["if-match"], etag):
            return FAILED
    elif "if-unmodified-since" in wanted:
        since = http_date(wanted["if-unmodified-since"])
        if since is not None and (not modified or int(modified) > since):
            return FAILED
    if "if-none-match" in wanted:
        if etag and none_match(wanted["if-none-match"], etag):
            return NOT_MODIFIED
    elif "if-modified-since" in wanted:
        since = http_date(wanted["if-modified-since"])
        if since is not None and modified and int(modified) <= since:
            return NOT_MODIFIED
    return OK


def strong_match(condition: str, etag: str) -> bool:
    """Whether ``If-Match`` names the tag; weak tags match nothing."""
    if condition.strip() == "*":
        return True
    tags = {tag.strip() for tag in condition.split(",")}
    return bool(etag) and not etag.startswith("W/") and etag in tags


def none_match(condition: str, etag: str) -> bool:
    """Whether ``If-None-Match`` names the tag; weak and strong tags compare alike."""
    known = {tag.strip().removeprefix("W/") for tag in condition.split(",")}
    return etag.removeprefix("W/") in known or "*" in known


def same(condition: str, etag: str, modified: float) -> bool:
    """Whether ``If-Range`` names this representation, by its strong tag or its exact date."""
    condition = condition.strip()
    if condition.startswith(('"', "W/")):
        return condition == etag and not etag.startswith("W/")
    return bool(modified) and http_date(condition) == int(modified)


def http_date(text: str) -> int | None:
    """A date in any of the forms of section 5.6.7 as Unix time; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        # The form of asctime names no zone; dates of HTTP are UTC in any form.
        return int(date.replace(tzinfo=date.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return None


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
