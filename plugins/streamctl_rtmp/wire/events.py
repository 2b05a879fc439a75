"""What a connection reports: past facts, in order.

Audio and video are reported as :class:`~streamctl_rtmp.wire.messages.Message` itself, so that the
hot path makes no second object per frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamctl_rtmp.wire.messages import Message


@dataclass(frozen=True, slots=True)
class Connected:
    """The peer's ``connect`` was answered (server), or the answer to ours came (client)."""

    app: str
    tc_url: str = ""
    user_agent: str = ""
    """``flashVer``; encoders put their name there."""
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectRefused:
    """The peer was asked who it is, and connects again to say so; close."""


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """The peer wants to publish; answer by ``accept_publish`` or ``refuse``."""

    name: str


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """The peer wants to play; answer by ``accept_play`` or ``refuse``."""

    name: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer ended its publishing or playing and may begin anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """A player paused or resumed."""

    paused: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """A data message, such as ``onMetaData``; ``@setDataFrame`` is taken off."""

    name: str
    values: tuple[Any, ...]
    timestamp: int


@dataclass(frozen=True, slots=True)
class StreamCreated:
    """The server gave a message stream; publish or play can follow."""


@dataclass(frozen=True, slots=True)
class Started:
    """The server takes or sends media from here on."""

    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no, or ended what was running."""

    code: str
    description: str
    redirect: str = ""
    """The URL of an application, or of a stream, where to ask instead."""


Event = (
    Message
    | Connected
    | ConnectRefused
    | PublishRequested
    | PlayRequested
    | StreamEnded
    | PauseRequested
    | DataReceived
    | StreamCreated
    | Started
    | Refused
)
