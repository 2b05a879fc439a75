"""The endpoints that a protocol plugin can provide, and the engine's door to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import anyio

    from streamctl.media.packet import Format, Init
    from streamctl.sdk.lane import Cursor, EpochWriter, FanOut, Wire
    from streamctl.sdk.session import Grant, Refusal, Request, Session, Transit

Address = tuple[str, int]
"""Host and port; the host is an IP address or a name, never with brackets."""


class Source(Protocol):
    """One attempt to pull an input."""

    @property
    def duration_s(self) -> float:
        """Length of the source in seconds; 0 = unknown or endless."""

    async def run(self, out: EpochWriter) -> None:
        """Connect and deliver until the end; returning means that there will never be more.

        An upstream that went away is an error: the engine tries again.

        Raises:
            StreamctlError: why it failed; ``permanent`` when trying again can't help.
        """


class Sink(Protocol):
    """One attempt to push a stream to a destination."""

    wants: Format
    """The lane that :meth:`run` reads."""

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Connect, call ``connected`` once the peer takes media, and send until cancelled.

        Raises:
            StreamctlError: why it failed; ``permanent`` when trying again can't help.
        """

    @property
    def bytes_sent(self) -> int:
        """Bytes written to the peer so far."""

    @property
    def left_out(self) -> str:
        """Names of the tracks that the peer is not sent, as it can't carry them; empty = none."""


class Peer(Protocol):
    """The protocol side of one TCP connection; ``streamctl.net.tcp`` drives it."""

    def connected(self, wire: Wire, remote: Address) -> None:
        """The connection is up."""

    def received(self, data: bytes | memoryview) -> None:
        """Bytes arrived; an exception closes this connection only.

        A view is of a buffer that is used again after this call: copy what has to stay.
        """

    def paused(self) -> None:
        """The wire is full: don't write until :meth:`resumed`."""

    def resumed(self) -> None:
        """The wire takes bytes again."""

    def closed(self, reason: str) -> None:
        """The connection is gone; called exactly once."""


@dataclass(frozen=True, slots=True)
class Playback:
    """What a granted viewer reads."""

    init: Init | None
    """The track set if the stream is on air already."""
    cursor: Cursor
    fanout: FanOut
    absent: str = ""
    """Why nothing is about to come; empty = the stream is on air, or is being opened."""


class Gate(Protocol):
    """The engine's door: decides from memory, never waits.

    A connection's life: :meth:`admit` → :meth:`check` → :meth:`open` → :meth:`publish` or
    :meth:`play` → :meth:`close` → :meth:`release`.
    """

    def admit(self, protocol: str, ip: str) -> Refusal | None:
        """Count a new connection against the limits; None = let in."""

    def release(self, protocol: str, ip: str) -> None:
        """The connection of an earlier successful :meth:`admit` is gone."""

    def check(self, request: Request) -> Grant | Refusal:
        """Decide by path, key, IP rules and the stream's state; count refusals."""

    def peek(self, request: Request) -> Grant | Refusal:
        """What :meth:`admit` and :meth:`check` would answer; counts nothing.

        May be called from any thread: for libraries that must know before a connection is there.
        """

    def refuse(self, request: Request, refusal: Refusal) -> None:
        """Count and log a refusal that was not an answer of :meth:`check`."""

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        """Register the session; ``close`` is called to kick it.

        Raises:
            StreamctlError: the stream was stopped since it was granted.
        """

    def publish(self, grant: Grant, session: Session) -> EpochWriter:
        """Begin an epoch with this publisher.

        Raises:
            StreamctlError: another publisher came first, or the stream was stopped.
        """

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        """A cursor and the fan-out of a lane, started on demand.

        Raises:
            Unsupported: nothing makes that format for this stream.
            NotCarried: the format can't carry what the stream shows.
            StreamctlError: the stream was stopped.
        """

    def close(self, session: Session, reason: str) -> None:
        """End the session and whatever it held; may be called twice."""


class Listener(Protocol):
    """A port that takes publishers and viewers."""

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled; call ``ready`` with the bound address.

        Raises:
            ConnectionFailed: the address can't be bound.
        """


@runtime_checkable
class Retirable(Protocol):
    """A listener that can give its place to another while its peers stay connected."""

    def retire(self) -> None:
        """Free the address at once; ``serve`` returns when the last peer has gone."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A parsed HTTP request without a body."""

    method: str
    path: str
    """Percent-decoded path."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    ip: str
    port: int = 0
    version: str = "1.1"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A complete response."""

    body: bytes | Sequence[bytes] = b""
    """One object or the parts of a body in order; shared between requests, never copied."""
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    modified: float = 0.0
    """Unix time since which the body has been like this; 0 = unknown."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Answer later: when ``event`` is set or after ``timeout_s``, call ``then``."""

    event: anyio.Event
    timeout_s: float
    then: Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Live:
    """An endless response fed by the fan-out of a lane; the connection becomes a session."""

    fmt: Format
    content_type: str
    preamble: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Reply = Bytes | Wait | Live
Handler = Callable[[HttpRequest], Reply]
"""Answers one request; must not block. The engine has checked access to the stream."""


class HttpOutput(Protocol):
    """The HTTP side of one stream in one protocol, alive as long as the stream."""

    def start(self) -> None:
        """Begin to work; called once, before the first request."""

    def stop(self) -> None:
        """Release everything; called once."""

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by suffix after ``/<code>``, such as ``/index.m3u8``.

        A suffix that ends in ``/*`` takes every name below it.
        """

    def status(self) -> Mapping[str, object]:
        """Measured facts for the stream's status, JSON-ready."""


@runtime_checkable
class Adjustable(Protocol):
    """An HTTP output that takes changes of the keys in ``Options.live`` while it runs."""

    def adjust(self, options: Any) -> None:
        """Go on with these options; viewers stay."""


@runtime_checkable
class Forgetful(Protocol):
    """An HTTP output that holds media for viewers who come later."""

    def forget(self) -> None:
        """Let it go: the stream was left on purpose, and nobody shall see it for live."""


@runtime_checkable
class Patient(Protocol):
    """A source that does not begin by itself: a peer has to come to it."""

    @property
    def waiting(self) -> str:
        """What is waited for, in words: silence is no failure then; empty = nothing."""


@runtime_checkable
class Measured(Protocol):
    """A source or a sink that measures its connection."""

    def measure(self) -> Mapping[str, object]:
        """What it has measured, JSON-ready, for the status of the input or the push."""


@runtime_checkable
class Numbered(Protocol):
    """A source whose packets are numbered, so that loss can be judged as that of MPEG-TS is."""

    def transit(self) -> Transit:
        """What became of them."""


@runtime_checkable
class MediaHolder(Protocol):
    """An HTTP output that holds media of its own, which counts against the memory limits."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of media held in memory."""

    def shrink(self, wanted: int) -> int:
        """Let up to about ``wanted`` bytes of the oldest media go; the bytes gained."""
