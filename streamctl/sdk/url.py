"""URLs of inputs and destinations, and the table from URL to plugin kind.

Grammar::

    SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]
    file:PATH | file://PATH | /ABSOLUTE/PATH      a media file
    publish: | publish://                         wait for a publisher on the listeners
    copy:CODE | copy://CODE                       another stream of this server
    mixer:CODE,CODE | mixer://CODE,CODE[?QUERY]   pictures of one stream, sound of another
    KIND+http(s)://…                              force the kind of an http(s) URL

Schemes are case-insensitive. ``http(s)`` URLs get their kind from the path: ``.m3u8`` and
``.m3u`` are ``hls``, ``/mpegts`` and ``.ts`` are ``http-ts``, ``.flv`` is ``http-flv``. An
unknown scheme is its own kind, so that third-party plugins need no table.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9.-]*(?:\+[A-Za-z][A-Za-z0-9]*)?):")
KIND_OF_SCHEME = {"rtmps": "rtmp", "rtsps": "rtsp"}
KIND_OF_SUFFIX = {".m3u8": "hls", ".m3u": "hls", ".ts": "http-ts", ".flv": "http-flv"}
TS_PATH = "/mpegts"
"""Ends paths of MPEG-TS that have no suffix."""
SECRET_QUERY = frozenset(
    {"key", "pass", "passphrase", "password", "passwd", "pwd", "loginpas", "token", "secret"}
    | {"streamid", "stream_id", "srt_streamid", "access_token", "apikey", "api_key", "auth", "jwt"}
    | {"sig", "sign", "signature", "hdnts", "hdnea", "wmsauthsign", "x-amz-signature"}
    | {"auth_key", "auth_token", "hash", "md5", "txsecret", "wssecret", "x-amz-security-token"}
)
"""Names of values that open something: stream ids of SRT, logins of cameras, signatures of CDNs."""
LOGIN = re.compile(r"//[^/?#:@]*:")
"""Begins a login, which ends at the last ``@`` before a query: unquoted passwords hold slashes and
all else, and rather too much is hidden than too little."""
USER = re.compile(r"//[^/?#:@]+:?@")
"""Without a password the user may be a key."""
SECRET = re.compile(rf"([?&](?:{'|'.join(sorted(SECRET_QUERY))})=)[^&#]*", re.IGNORECASE)
KEY_LENGTH = 6
"""Last segments of destinations that are this long are taken for stream keys."""
KEY_LENGTH_SHOWN = 12
"""Keys that are this long show their beginning."""
KEY_SHOWN = 4
"""So much of a stream key tells two destinations apart and opens nothing."""
WILDCARDS = frozenset({"", "0.0.0.0", "::"})
"""Hosts that stand for every address of this machine."""
OPAQUE = frozenset({"file", "publish", "copy", "mixer"})
"""Schemes without a host."""
WITHIN = frozenset({"copy", "mixer"})
"""Those that mean streams of this server."""


@dataclass(frozen=True, slots=True, repr=False)
class StreamURL:
    """A parsed URL; :meth:`parse` is the only way to make one."""

    raw: str
    kind: str
    """Name of the plugin that handles it."""
    scheme: str
    """Lower case, without a forced kind: ``rtmp``, ``https``, ``file``, ``publish``."""
    host: str = ""
    port: int = 0
    """0 = the scheme's default."""
    path: str = ""
    """With its leading ``/`` if it has one; for ``file`` the file's path."""
    query: tuple[tuple[str, str], ...] = ()
    user: str = ""
    password: str = ""
    names_key: bool = False
    """A destination, whose last path segment is often a stream key."""

    @classmethod
    def parse(cls, text: str) -> StreamURL:
        """Parse and classify.

        Raises:
            ConfigError: not a URL that streamctl knows how to read.
        """
        text = text.strip()
        if text.startswith("/"):
            return cls(raw=text, kind="file", scheme="file", path=text)
        found = SCHEME.match(text)
        if found is None:
            raise ConfigError(
                f"not a URL: `{masked(text)}`",
                hint="write a file as `file:PATH`, a wait as `publish:`",
            )
        scheme = found.group(1).lower()
        rest = text[found.end() :]
        if scheme in OPAQUE:
            return cls._opaque(text, scheme, rest)
        return cls._network(text, scheme, rest)

    @classmethod
    def _opaque(cls, text: str, scheme: str, rest: str) -> StreamURL:
        body, _, query = rest.removeprefix("//").partition("?")
        if scheme == "publish" and (body or query):
            raise ConfigError(
                f"`publish:` takes nothing behind it: `{masked(text)}`",
                hint="the stream's code is the path that publishers use",
            )
        if scheme == "file" and not body:
            raise ConfigError(f"no path in `{text}`", hint="write `file:PATH`")
        return cls(
            raw=text,
            kind=scheme,
            scheme=scheme,
            path=unquote(body),
            query=tuple(parse_qsl(query, keep_blank_values=True)),
        )

    @classmethod
    def _network(cls, text: str, scheme: str, rest: str) -> StreamURL:
        forced, _, plain = scheme.rpartition("+")
        try:
            parts = urlsplit(f"{plain}:{rest}")
            port = parts.port or 0
        except ValueError as error:
            raise ConfigError(f"invalid URL `{masked(text)}`: {error}") from None
        if not rest.startswith("//"):
            near = difflib.get_close_matches(scheme, sorted(OPAQUE), 1)
            hint = f"did you mean `{near[0]}:`?" if near else f"write `{scheme}://HOST…`"
            raise ConfigError(f"invalid URL `{masked(text)}`", hint=hint)
        kind = forced or KIND_OF_SCHEME.get(plain, plain)
        if not forced and plain in {"http", "https"}:
            kind = http_kind(parts.path, text)
        return cls(
            raw=text,
            kind=kind,
            scheme=plain,
            host=parts.hostname or "",
            port=port,
            path=unquote(parts.path),
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def as_destination(self) -> StreamURL:
        """The same URL, to be pushed to: a stream key in its path is a secret."""
        return replace(self, names_key=True)

    @property
    def anywhere(self) -> bool:
        """Whether it names no host, or every one: nobody can be called there."""
        return self.host in WILDCARDS

    @property
    def secure(self) -> bool:
        """Whether the scheme asks for TLS."""
        return self.scheme in {"rtmps", "rtsps", "https"}

    @property
    def redacted(self) -> str:
        """The URL with passwords and secret query values replaced by ``***``."""
        if self.scheme in OPAQUE:
            words = f"?{urlencode(self.query)}" if self.scheme in WITHIN and self.query else ""
            return f"{self.scheme}:{self._without_key(self.path)}{words}"
        parts = urlsplit(self.raw)
        netloc, path = parts.netloc, self._without_key(parts.path)
        if "@" in netloc:
            login, _, where = netloc.rpartition("@")
            user, _, password = login.partition(":")
            netloc = f"{user}:***@{where}" if password else f"***@{where}"
        query = "&".join(self._redacted(name, value) for name, value in self.query)
        return urlunsplit((parts.scheme, netloc, path, query, ""))

    def _without_key(self, path: str) -> str:
        head, slash, name = path.rstrip("/").rpartition("/")
        if not self.names_key or len(name) < KEY_LENGTH:
            return path
        return f"{head}{slash}{name[:KEY_SHOWN] if len(name) >= KEY_LENGTH_SHOWN else ''}***"

    def _redacted(self, name: str, value: str) -> str:
        if self.names_key and not value:
            return "***"
        return f"{name}={'***' if self.hides(name) else value}"

    def __repr__(self) -> str:
        return f"StreamURL({self.redacted!r})"

    def hides(self, name: str) -> bool:
        """Whether a value of the query is a secret: of destinations, every one."""
        return self.names_key or name.lower() in SECRET_QUERY


def masked(text: str) -> str:
    """A text that may be no URL, with what looks like a secret in it replaced by ``***``."""
    text = "".join(map(without_password, re.split(r"([?#])", text)))
    return SECRET.sub(r"\1***", USER.sub("//***@", text))


def without_password(text: str) -> str:
    """A text without ``?`` and ``#``, with the password in it replaced by ``***``."""
    begin, end = LOGIN.search(text), text.rfind("@")
    if begin is None or end <= begin.end():
        return text
    return f"{text[: begin.end()]}***{text[end:]}"


def forms(kind: str, schemes: Iterable[str]) -> list[str]:
    """How URLs of a kind are written: those of its schemes, or ``http(s)`` ones."""
    if schemes:
        return [f"{scheme}:" if scheme in OPAQUE else f"{scheme}://" for scheme in schemes]
    found = [f"http(s)://…{suffix}" for suffix, known in KIND_OF_SUFFIX.items() if known == kind]
    if kind == KIND_OF_SUFFIX[".ts"]:
        found.append(f"http(s)://…{TS_PATH}")
    return [*found, f"{kind}+http(s)://…"]


def http_kind(path: str, text: str) -> str:
    """The kind of an ``http(s)`` URL by its path.

    Raises:
        ConfigError: the path tells nothing.
    """
    if path.rstrip("/").endswith(TS_PATH):
        return "http-ts"
    kind = KIND_OF_SUFFIX.get(PurePosixPath(path.lower()).suffix)
    if kind is None:
        raise ConfigError(
            f"can't tell what `{masked(text)}` is",
            hint="force the kind, such as `hls+https://…` or `http-ts+http://…`",
        )
    return kind
