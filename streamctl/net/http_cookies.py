"""Cookies that servers set while a session fetches from them (RFC 6265, sections 5.1 to 5.4).

They live as long as the session; dates are not looked at, except that a cookie which is taken back
goes. Sites of others (``Domain`` of a parent) are believed where the parent has a dot in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.net.http_target import Target

MAX_COOKIES = 50
"""Of all servers together; section 6.1 asks browsers for as many per domain."""
MAX_COOKIE_CHARS = 4096
"""Of one with all its attributes (section 6.1)."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie and whom it is for."""

    name: str
    text: str
    domain: str
    subdomains: bool
    path: str
    secure: bool

    def suits(self, target: Target) -> bool:
        """Whether a server may see it."""
        host, path = target.host.lower(), target.path.partition("?")[0]
        near = host == self.domain or (self.subdomains and host.endswith(f".{self.domain}"))
        below = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return near and below and (target.secure or not self.secure)


class CookieJar:
    """The cookies of one session."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def take(self, lines: Iterable[str], target: Target) -> None:
        """Keep what a server set."""
        for line in lines:
            if len(line) > MAX_COOKIE_CHARS:
                continue
            pair, _, rest = line.partition(";")
            name, equals, text = pair.partition("=")
            attributes = dict(split(one) for one in rest.split(";"))
            cookie = made(name.strip(), text.strip(), attributes, target)
            if not equals or cookie is None:
                continue
            place = cookie.domain, cookie.path, cookie.name
            self._cookies.pop(place, None)
            if attributes.get("max-age", "1").lstrip("-").strip("0") and not attributes.get(
                "max-age", ""
            ).startswith("-"):
                self._cookies[place] = cookie
            while len(self._cookies) > MAX_COOKIES:
                del self._cookies[next(iter(self._cookies))]

    def headers(self, target: Target) -> dict[str, str]:
        """What a request says about them."""
        found = [each for each in self._cookies.values() if each.suits(target)]
        found.sort(key=lambda each: -len(each.path))
        return {"Cookie": "; ".join(f"{c.name}={c.text}" for c in found)} if found else {}


def split(attribute: str) -> tuple[str, str]:
    """Name, in lower case, and value of an attribute."""
    name, _, text = attribute.partition("=")
    return name.strip().lower(), text.strip()


def made(name: str, text: str, attributes: dict[str, str], target: Target) -> Cookie | None:
    """The cookie that a server sets; None for one that it must not."""
    host = target.host.lower()
    domain = attributes.get("domain", "").lower().lstrip(".")
    if domain and domain != host:
        above = "." in domain and host.endswith(f".{domain}")
        # The end of an address is the end of others, too, and of no site (section 5.1.3).
        if not above or host.replace(".", "").isdecimal():
            return None
    if not name or not (name + text).isprintable() or not (name + text).isascii():
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = target.path.partition("?")[0].rpartition("/")[0] or "/"
    return Cookie(name, text, domain or host, bool(domain), path, "secure" in attributes)
