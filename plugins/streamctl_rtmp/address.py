"""Where things are in RTMP: application, stream name, query and keys, in both directions.

A client splits a URL into an application and a name at a place of its own choosing, and users put
whole paths and keys into either; only the joined path means something here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from streamctl.errors import ConfigError, ConnectionFailed, StreamctlError
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.wire.client import Target

if TYPE_CHECKING:
    from collections.abc import Mapping


PORT = 1935
TLS_PORT = 443
"""Services that take RTMPS listen where HTTPS does."""
APP_PARTS = 2
"""How many leading parts of a path go into the application, as ffmpeg and librtmp cut it."""


@dataclass(frozen=True, slots=True)
class Location:
    """What a peer asked for."""

    path: str
    """Without slashes at its ends and without a query."""
    query: Mapping[str, str]

    @classmethod
    def of(cls, app: str, tc_url: str, name: str) -> Location:
        """Join what ``connect`` and ``publish`` or ``play`` said.

        The query may stand in any of the three; the name's is nearest to the user and wins.
        """
        if not app:
            app = urlsplit_path(tc_url)
        app_path, _, app_query = app.partition("?")
        name_path, _, name_query = name.partition("?")
        parts = [*app_path.split("/"), *name_path.split("/")]
        query: dict[str, str] = {}
        for text in (tc_url.partition("?")[2], app_query, name_query):
            query.update(parse_qsl(text, keep_blank_values=True))
        return cls("/".join(part for part in parts if part), query)

    @property
    def key(self) -> str:
        """The key in the query."""
        return self.query.get("key", "")

    @property
    def user(self) -> str:
        """The user in the query."""
        return self.query.get("user", "")

    @property
    def password(self) -> str:
        """The password in the query."""
        return self.query.get("pass", "")


def urlsplit_path(url: str) -> str:
    """The path of a URL that a peer sent; empty if it is not one."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that we connect to, and what to ask it for."""

    host: str
    port: int
    secure: bool
    target: Target

    @classmethod
    def of(cls, url: StreamURL) -> Server:
        """Where a URL leads.

        Raises:
            ConfigError: the URL names no host or no stream.
        """
        return cls(url.host, port(url), url.secure, target(url))

    def asking(self, query: str) -> Server:
        """The same server, asked with a query in the application, where logins stand."""
        app = f"{self.target.app.partition('?')[0]}?{query}"
        tc_url = f"{self.target.tc_url.partition('?')[0]}?{query}"
        return replace(self, target=Target(app, self.target.name, tc_url))

    def elsewhere(self, url: str) -> Server:
        """Where a redirect leads: the URL of an application, or of the stream itself.

        Raises:
            ConnectionFailed: to no RTMP server, or to one without the TLS that this one has.
        """
        try:
            found = StreamURL.parse(url).as_destination()
        except StreamctlError:
            raise ConnectionFailed("a redirect leads to no URL") from None
        if found.kind != "rtmp" or not found.host:
            raise ConnectionFailed(f"a redirect leads to no RTMP server: `{found.redacted}`")
        if self.secure and not found.secure:
            raise ConnectionFailed(
                f"a redirect leads away from TLS: `{found.redacted}`",
                hint="write that URL yourself if everybody may read the stream key",
            )
        name = self.target.name.partition("?")[0]
        app = found.path.strip("/").removesuffix(f"/{name}")
        asked = Target(app, self.target.name, tc_url(found, app))
        return Server(found.host, port(found), found.secure, asked)


def target(url: StreamURL) -> Target:
    """What to ask another server for.

    The name is what follows the second part of the path, with the query; a fragment is taken for
    a stream key that may hold slashes.

    Raises:
        ConfigError: the URL names no host or no stream.
    """
    parts = urlsplit(url.raw)
    if not url.host:
        raise ConfigError(f"no host in `{url.redacted}`")
    path = [part for part in parts.path.split("/") if part]
    cut = len(path) if parts.fragment else min(APP_PARTS, len(path) - 1)
    name = parts.fragment or "/".join(path[cut:])
    if not name:
        raise ConfigError(
            f"no stream in `{url.redacted}`", hint=f"write `{url.scheme}://HOST/APP/NAME`"
        )
    if parts.query:
        name = f"{name}?{parts.query}"
    app = "/".join(path[:cut])
    return Target(app, name, tc_url(url, app))


def tc_url(url: StreamURL, app: str) -> str:
    """The URL of an application, as ``connect`` names it."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}:{port(url)}/{app}"


def port(url: StreamURL) -> int:
    """The port of a URL."""
    return url.port or (TLS_PORT if url.secure else PORT)
