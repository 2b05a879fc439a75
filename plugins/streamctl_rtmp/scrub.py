"""Takes secrets of a URL out of what a server says about it: servers repeat stream keys."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL

SHORTEST = 5
"""Shorter words stand in sentences by chance."""


def scrub(text: str, url: StreamURL) -> str:
    """``text`` with every secret of the URL replaced by ``***``."""
    for secret in sorted(hidden(url), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def hidden(url: StreamURL) -> set[str]:
    """The parts of a URL that nobody should read, as long as they are long enough to find."""
    parts = urlsplit(url.raw)
    found = {value for name, value in url.query if url.hides(name)} | {url.password}
    if url.names_key:
        found |= {parts.path.rstrip("/").rpartition("/")[2], parts.fragment, parts.query}
        found |= {name for name, value in url.query if not value}
    return {secret for secret in found if len(secret) >= SHORTEST}
