"""Stream codes: the names that streams have in the file, in URLs and in the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LENGTH = 128
ALPHABET = re.compile(r"[A-Za-z0-9_/-]+")
RESERVED = frozenset({"mpegts", "whep", "whip"})
"""Last segments that name an output or an ingest door of a stream, never a stream."""


def fault(code: str) -> str:
    """Why ``code`` can't be a stream's code; empty when it can."""
    if not ALPHABET.fullmatch(code):
        return "a code consists of letters, digits, `_`, `-` and `/`"
    if len(code) > MAX_LENGTH:
        return f"a code has at most {MAX_LENGTH} characters"
    if code.startswith("/") or code.endswith("/") or "//" in code:
        return "a code has no empty part between slashes"
    last = code.rpartition("/")[2]
    if last in RESERVED:
        return f"`{last}` is reserved as the last part of a code"
    return ""


def shadowed(codes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs ``(a, live/a)`` that one client path would both mean."""
    known = set(codes)
    for code in sorted(known):
        if f"live/{code}" in known:
            yield code, f"live/{code}"
