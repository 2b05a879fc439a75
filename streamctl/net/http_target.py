"""Where a request goes, what it says, and where a redirect leads (RFC 9110, RFC 9112).

Logins stay with the server that they are for; so do further headers, but for those that say no
more than who asks.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from streamctl import __version__
from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.address import ascii_name
from streamctl.sdk.url import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from streamctl.sdk.url import StreamURL

PORTS = {"http": 80, "https": 443}
AGENT = f"streamctl/{__version__}"
SAFE = "!#$%&'()*+,/:;=?@[]~"
"""What stands in paths and queries as it is; what is escaped already stays so."""
PUBLIC = frozenset({"accept", "accept-language", "origin", "referer", "user-agent"})
"""Headers that another server may see."""
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")
EXAMPLE = "write `http://HOST/PATH` or `https://HOST/PATH`"
SENDABLE = "a header is one line of text, and none of those that frame a request"
OURS = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, and of whom."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query, escaped."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers of the request."""
    login: str = ""
    """User and password, as ``Basic`` encodes them (RFC 7617)."""

    @classmethod
    def of_input(cls, url: StreamURL, headers: Mapping[str, SecretStr]) -> Target:
        """Where the URL of an input leads; its kind may stand before the scheme.

        Raises:
            ConfigError: it leads to no HTTP server, or a header can't be sent.
        """
        place = url.raw.strip().partition("://")[2].partition("#")[0]
        told = {name: text.get_secret_value() for name, text in headers.items()}
        return cls.of(f"{url.scheme}://{place}", told)

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str] | None = None) -> Target:
        """Where a URL leads.

        Raises:
            ConfigError: it leads to no HTTP server, or a header can't be sent.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS[parts.scheme]
            host = ascii_name(parts.hostname or "")
        except (KeyError, ValueError, OSError):
            raise ConfigError(f"no HTTP server in `{masked(url)}`", hint=EXAMPLE) from None
        if not host:
            raise ConfigError(f"no HTTP server in `{masked(url)}`", hint=EXAMPLE)
        path = quote(parts.path or "/", SAFE)
        if parts.query:
            path = f"{path}?{quote(parts.query, SAFE)}"
        login = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            login = base64.b64encode(pair.encode()).decode()
        return cls(parts.scheme, host, port, path, checked(headers or {}), login)

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The URL without its login."""
        return f"{self.scheme}://{self._authority}{self.path}"

    @property
    def shown(self) -> str:
        """The URL for messages: queries hold keys, those that redirects make above all."""
        return f"{self.scheme}://{self._authority}{self.path.partition('?')[0]}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def request(
        self,
        further: Mapping[str, str] | None = None,
        *,
        keep: bool = False,
        method: str = "GET",
    ) -> bytes:
        """The bytes of a request up to its body; with ``keep`` the connection stays for others."""
        headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        headers |= further or {}
        if self.login:
            headers["Authorization"] = f"Basic {self.login}"
        given = {name.lower() for name in self.headers}
        fields = {name: text for name, text in headers.items() if name.lower() not in given}
        lines = [f"{method} {self.path} HTTP/1.1", f"Host: {self._authority}"]
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
        lines += [f"{name}: {text}" for name, text in (fields | dict(self.headers)).items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def linked(self, url: str) -> Target:
        """A resource that belongs to this one, wherever it is.

        Raises:
            ConnectionFailed: at no HTTP server, or in the clear although this one is not.
        """
        try:
            found = Target.of(url)
        except (ConfigError, ValueError):
            raise ConnectionFailed(f"`{self.shown}` leads to no HTTP server") from None
        if self.secure and not found.secure:
            raise ConnectionFailed(f"`{self.shown}` leads away from TLS: `{found.shown}`")
        return self._shared_with(found)

    def redirected(self, location: str) -> Target:
        """Where a redirect leads.

        Raises:
            ConnectionFailed: to no HTTP server, or away from TLS.
        """
        try:
            url = urljoin(self.url, location)
            found = Target.of(url)
        except (ConfigError, ValueError):
            raise ConnectionFailed(f"`{self.shown}` redirects to no HTTP server") from None
        if self.secure and not found.secure:
            raise ConnectionFailed(
                f"`{self.shown}` redirects away from TLS: `{found.shown}`",
                hint="write that URL yourself if everybody may see what is fetched",
            )
        return self._shared_with(found)

    def _shared_with(self, found: Target) -> Target:
        """Another target with what its server may know."""
        if found.origin == self.origin:
            return replace(found, headers=self.headers, login=found.login or self.login)
        public = {name: text for name, text in self.headers.items() if name.lower() in PUBLIC}
        return replace(found, headers=public)


def checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers that may stand in a request.

    Raises:
        ConfigError: one may not.
    """
    for name, text in headers.items():
        if not TOKEN.fullmatch(name) or not VALUE.fullmatch(text) or name.lower() in OURS:
            raise ConfigError(f"the header `{name}` can't be sent", hint=SENDABLE, key="headers")
    return headers
