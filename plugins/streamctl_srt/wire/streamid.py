"""Stream ids: which stream a caller wants, what for, and who it is, in 512 bytes of text.

Forms::

    publish:PATH[:USER:PASSWORD][?QUERY]      read:PATH[:USER:PASSWORD][?QUERY]
    #!::r=PATH,m=publish|request,u=USER,s=PASSWORD,h=HOST,t=stream,KEY=VALUE,…
    PATH[?QUERY]                              without saying what for

The second is the one of the SRT Access Control guidelines; keys come in any order. A path may
have a ``live/`` before it, like everywhere. ``#feedbackplay``, which one encoder appends, counts
for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from streamctl.errors import RemoteProtocolError
from streamctl.sdk.session import Action, shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 512
"""What the handshake has room for."""
STANDARD = "#!:"
"""Begins the form of the guidelines; ``:`` after it says that keys are not nested."""
ENCODED = re.compile(
    r"(%23|#)(%21|!)(%3A|:)(%3A|:)\S*%[0-9A-F]{2}|([a-z]+:)?[^?:%]*%[0-9A-F]{2}", re.IGNORECASE
)
"""The form of URLs: begins the same, or has an escape in the path, where nothing else has one."""
FEEDBACK = "#feedbackplay"
ACTIONS = {
    "publish": Action.PUBLISH,
    "read": Action.PLAY,
    "request": Action.PLAY,
    "play": Action.PLAY,
}
STANDARD_KEYS = frozenset({"r", "m", "u", "s", "h", "t"})


@dataclass(frozen=True, slots=True)
class StreamId:
    """A stream id, read."""

    path: str
    """Without slashes at its ends and without a query."""
    action: Action | None = None
    """None = the caller does not say."""
    user: str = ""
    password: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key, which stands in the query or as a key ``p`` of its own."""
        return self.query.get("key") or self.query.get("p", "")

    @classmethod
    def parse(cls, text: str) -> StreamId:
        """Read what a caller sent.

        Raises:
            RemoteProtocolError: it names no stream, or nothing that can be one.
        """
        size = len(text.encode(errors="replace"))
        if size > MAX_BYTES:
            raise RemoteProtocolError(f"a stream id of {size} bytes: {MAX_BYTES} are allowed")
        if not text.isprintable():
            raise RemoteProtocolError("a stream id with control characters")
        if ENCODED.match(text):
            # Its user wrote the id as URLs have it, and its program takes it as it is.
            text = unquote(text)
        text = text.removesuffix(FEEDBACK)
        if text.startswith(STANDARD):
            found = standard(text.removeprefix(STANDARD))
        elif text.startswith("#!"):
            # It may hold a password anywhere, so it is not repeated.
            raise RemoteProtocolError("no form of stream ids that is known: write `#!::r=CODE`")
        else:
            found = short(text)
        return found.checked()

    def checked(self) -> StreamId:
        """Itself.

        Raises:
            RemoteProtocolError: the path is none.
        """
        if not self.path:
            raise RemoteProtocolError("the stream id names no stream: write `publish:CODE`")
        if {".", ".."}.intersection(self.path.split("/")) or "\\" in self.path:
            raise RemoteProtocolError(f"no path of a stream: `{shown_path(self.path)}`")
        return self


def standard(text: str) -> StreamId:
    """The form of the guidelines, behind what begins it.

    Raises:
        RemoteProtocolError: it is nested, or asks for what there is not.
    """
    if not text.startswith(":"):
        raise RemoteProtocolError("stream ids with nested keys can't be read: write `#!::r=CODE`")
    pairs = [part.partition("=") for part in text[1:].split(",") if part]
    keys = {name.strip(): value for name, _, value in pairs}
    path, query = split_query(keys.get("r", ""))
    if not path:
        # Older clients put the path behind the host.
        _, _, path = keys.get("h", "").partition("/")
    if keys.get("t", "stream") != "stream":
        raise RemoteProtocolError(f"only live streams can be had, not `t={shown_path(keys['t'])}`")
    further = {name: value for name, value in keys.items() if name not in STANDARD_KEYS}
    return StreamId(
        path.strip("/"),
        mode(keys["m"]) if "m" in keys else None,
        keys.get("u", ""),
        keys.get("s", ""),
        {**query, **further},
    )


def mode(text: str) -> Action:
    """What a caller wants.

    Raises:
        RemoteProtocolError: nothing that can be had.
    """
    action = ACTIONS.get(text)
    if action is None:
        raise RemoteProtocolError(f"no mode of a stream id: `m={shown_path(text)}`")
    return action


def short(text: str) -> StreamId:
    """``publish:PATH…``, ``read:PATH…`` or a path."""
    text, query = split_query(text)
    word, colon, rest = text.partition(":")
    action = ACTIONS.get(word) if colon else None
    path, *login = (rest if action else text).split(":", 2)
    if len(login) == 1 and "=" in login[0]:
        # Some write the query behind a colon.
        query |= dict(parse_qsl(login.pop(), keep_blank_values=True))
    user, password = login if len(login) == 2 else ("", "".join(login))
    return StreamId(
        path.strip("/"),
        action,
        user or query.get("user", ""),
        password or query.get("pass", ""),
        query,
    )


def split_query(text: str) -> tuple[str, dict[str, str]]:
    """What stands before a ``?``, and what behind it says."""
    path, _, query = text.partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))
