"""Sessions and admission: who asks, what was granted, and what a peer's run has counted."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLAUSIBLE = re.compile(r"[\w./~-]{0,128}")
"""What may be a path: as long as a code, and a few characters more than those have."""


class Action(enum.StrEnum):
    """What a peer wants of a stream."""

    PUBLISH = "publish"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class Request:
    """A peer's wish, as its protocol spells it, before anything is decided."""

    protocol: str
    """Kind of the plugin, such as ``rtmp``."""
    action: Action
    path: str
    """The path that the client used, without leading ``/`` and query (``live/news``)."""
    ip: str
    port: int = 0
    key: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    """May be the key: people put it where there is room."""
    password: str = field(default="", repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = ""
    returning: bool = False
    """The viewer has an open session, and asks for the next piece."""
    proof: Callable[[str], bool] | None = field(default=None, repr=False)
    """Whether a secret is the one that the peer knows, without having said it (HTTP Digest)."""

    @property
    def logs_in(self) -> bool:
        """Whether the peer says who it is, or what it knows."""
        return bool(self.key or self.user or self.password or self.proof)

    @property
    def shown_path(self) -> str:
        """The path as far as it may be one, to be logged and repeated."""
        return shown_path(self.path)


def shown_path(path: str) -> str:
    """A path up to what no code of a stream has, since a key may stand there by mistake."""
    plausible = PLAUSIBLE.match(path)
    assert plausible is not None
    shown = plausible.group()
    return shown if shown == path else f"{shown}…"


class RefusalCode(enum.StrEnum):
    """Why a request was refused; protocols map it to their own status codes."""

    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    LIMIT = "limit"
    DISABLED = "disabled"
    UNSUPPORTED = "unsupported"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request was refused, with a sentence that may be shown to the peer."""

    code: RefusalCode
    message: str
    guessed: bool = False
    """A login was given, and is wrong: :attr:`RefusalCode.UNAUTHORIZED` may mean that none was."""
    plain: bool = False
    """The login has to be said: a proof can't be judged by the sum of a password."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A request was admitted for the stream ``code``."""

    code: str
    request: Request
    options: Any = None
    """What the stream's table says about the protocol, as the plugin's ``OutputOptions``."""


@dataclass(frozen=True, slots=True)
class Transit:
    """What became of numbered packets on their way; both numbers only grow, or begin anew."""

    came: int = 0
    lost: int = 0
    """Packets that never came, or too late."""


def nothing() -> Mapping[str, object]:
    """What a protocol tells that measures nothing of a connection."""
    return {}


@dataclass(slots=True, eq=False)
class Session:
    """One accepted peer: identity, counters and the way to close it."""

    id: str
    protocol: str
    action: Action
    code: str
    ip: str
    port: int
    user_agent: str
    opened_at: float
    """Unix time in seconds."""
    close: Callable[[str], None]
    """Close the connection with a reason that is logged and, where possible, sent."""
    bytes_in: int = 0
    bytes_out: int = 0
    skips: int = 0
    """How often the viewer was too slow and was moved forward."""
    skipped_items: int = 0
    skipped_time: int = 0
    """Media time that the viewer lost by skips, 90 kHz."""
    lag: float = 0.0
    """Seconds of media that the viewer is behind the newest item, as last measured."""
    asked_at: float = 0.0
    """Unix time of the last request of a viewer who asks for every piece."""
    reason: str = ""
    """Why the session ended; empty while it is open."""
    measure: Callable[[], Mapping[str, object]] = nothing
    """Asks the protocol what it measures of the connection, JSON-ready."""
    transit: Callable[[], Transit] = Transit
    """Asks it what became of a publisher's packets, if these are numbered and not MPEG-TS."""

    @property
    def peer(self) -> str:
        """The peer as ``ip:port``; IPv6 addresses stand in brackets."""
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{host}:{self.port}" if self.port else host
