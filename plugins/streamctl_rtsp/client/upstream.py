"""Where a URL leads: the server to connect to, what to ask it for, and who asks.

Grammar::

    rtsp[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]
    rtsp+http[s]://…                               through HTTP

Path and query belong to the server and are sent as they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from streamctl.errors import ConfigError, ConnectionFailed, StreamctlError
from streamctl.sdk.url import StreamURL
from streamctl_rtsp.wire.auth import Login

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS: Mapping[str, int] = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
SAFE = "!#$%&'()*+,/:;=?@[]~"
"""What stands in URLs as it is; what is escaped already stays so."""


@dataclass(frozen=True, slots=True, repr=False)
class Upstream:
    """A server that we connect to, and what to ask it for."""

    host: str
    port: int
    secure: bool
    url: str
    """What requests name, without a login."""
    shown: str
    """The URL for messages, without secrets."""
    login: Login | None = None
    tunnel: bool = False
    """Whether requests travel through HTTP."""
    names_key: bool = False
    """Whether the path may hold a stream key."""

    @classmethod
    def of(cls, url: StreamURL, *, tunnel: bool = False) -> Upstream:
        """Where a URL leads; ``tunnel`` asks for HTTP whatever its scheme.

        Raises:
            ConfigError: the URL names no host.
        """
        if not url.host:
            raise ConfigError(
                f"no host in `{url.redacted}`", hint=f"write `{url.scheme}://HOST/PATH`"
            )
        login = Login(url.user, url.password) if url.user or url.password else None
        return cls(
            url.host,
            url.port or PORTS[url.scheme],
            url.secure,
            asked(url),
            url.redacted,
            login,
            tunnel or url.scheme in {"http", "https"},
            url.names_key,
        )

    @property
    def address(self) -> str:
        """Host and port as they stand in URLs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def elsewhere(self, location: str) -> Upstream:
        """Where a redirect leads; a login stays on the host that it is for.

        Raises:
            ConnectionFailed: to no RTSP server, or to one without the TLS that this one has.
        """
        try:
            found = StreamURL.parse(urljoin_rtsp(self.url, location))
            if self.names_key:
                found = found.as_destination()
            target = Upstream.of(found)
        except (StreamctlError, ValueError, KeyError):
            raise ConnectionFailed(f"`{self.shown}` redirects to no URL of RTSP") from None
        if found.kind != "rtsp":
            raise ConnectionFailed(
                f"`{self.shown}` redirects to no RTSP server: `{found.redacted}`"
            )
        if self.secure and not found.secure:
            raise ConnectionFailed(
                f"`{self.shown}` redirects away from TLS: `{found.redacted}`",
                hint="write that URL yourself if everybody may see what is sent",
            )
        login = target.login or (self.login if target.host == self.host else None)
        return replace(target, login=login, tunnel=self.tunnel)


def asked(url: StreamURL) -> str:
    """The URL that requests name."""
    # The kind may stand before the scheme, `rtsp+http://`.
    parts = urlsplit(f"{url.scheme}:{url.raw.strip().partition(':')[2]}")
    netloc = parts.netloc.rpartition("@")[2]
    scheme = "rtsps" if url.secure else "rtsp"
    query = f"?{quote(parts.query, SAFE)}" if parts.query else ""
    return f"{scheme}://{netloc}{quote(parts.path, SAFE)}{query}"


def urljoin_rtsp(base: str, location: str) -> str:
    """A location that may be relative, as an absolute URL."""
    if "://" in location:
        return location.strip()
    scheme, _, rest = base.partition(":")
    # The standard library knows how to join URLs of HTTP only.
    return f"{scheme}:{urljoin(f'http:{rest}', location.strip()).removeprefix('http:')}"
