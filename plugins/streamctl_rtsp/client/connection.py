"""An outgoing RTSP connection: what pulling and pushing share.

Asks one thing after another, logs in where that is wanted, answers what the server asks, and hands
on the frames between the messages. What is asked is :mod:`streamctl_rtsp.client.dialogue`'s matter.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl import __version__
from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl_rtsp.wire.auth import parse_challenges
from streamctl_rtsp.wire.message import Headers, Request, Response, Status
from streamctl_rtsp.wire.reader import Frame, RtspReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl_rtsp.client.upstream import Upstream
    from streamctl_rtsp.wire.auth import Challenge

    Connect = Callable[["RtspClient"], Awaitable[None]]
    """Connects a client; returns when it has been told of its wire."""

AGENT = f"streamctl/{__version__}"
LOGINS = 3
"""Of one request: without one, with a nonce, and with another when that one was used up."""
STRAY_BYTES = 1 << 20
"""So much on channels that nobody agreed on is no RTSP any more."""
LOGIN_HINT = "a login stands before the host: `rtsp://USER:PASSWORD@HOST/…`"
HARMLESS = frozenset({"OPTIONS", "GET_PARAMETER", "SET_PARAMETER"})
"""What servers ask to see whether we are there."""
MEDIA_HEAD_BYTES = 4


class RtspClient:
    """Implements :class:`streamctl.sdk.endpoints.Peer` for connections that we open."""

    wire: Wire

    def __init__(self, upstream: Upstream, clock: Clock, timeout_s: float) -> None:
        """``timeout_s`` is for each answer."""
        self.upstream = upstream
        self.remote: Address = ("", 0)
        self.failure: StreamctlError | None = None
        """Why the connection is of no more use."""
        self.session = ""
        """The session that requests name; empty = none yet."""
        self.take: Callable[[int, memoryview], bool] = refuse_frame
        """Takes a frame; False = the channel is unknown."""
        self.settle: Callable[[], None] = nothing
        """Called after each read."""
        self.on_failure: Callable[[], object] = nothing
        self.stray = 0
        """Bytes on unknown channels since the last frame on a known one."""
        self.bytes_sent = 0
        """Bytes of frames that were written."""
        self._clock = clock
        self._timeout_s = timeout_s
        self._reader = RtspReader(lenient=True)
        self._number = 0
        self._waiting: dict[int, Waiting] = {}
        self._challenge: Challenge | None = None
        self._writable = anyio.Event()
        self._writable.set()

    def connected(self, wire: Wire, remote: Address) -> None:
        """The connection is up."""
        self.wire = wire
        self.remote = remote

    def received(self, data: bytes | memoryview) -> None:
        """Take what the server sent."""
        try:
            for event in self._reader.receive(data):
                if type(event) is Frame:
                    self._frame(event)
                elif isinstance(event, Response):
                    self._answered(event)
                elif isinstance(event, Request):
                    self._asked(event)
            self.settle()
        except StreamctlError as error:
            self.fail(self.named(error))

    def paused(self) -> None:
        """The server takes less than we have."""
        self._writable = anyio.Event()

    def resumed(self) -> None:
        """The server has taken everything."""
        self._writable.set()

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self.fail(ConnectionFailed(f"`{self.upstream.shown}`: {reason}"))

    def fail(self, error: StreamctlError) -> None:
        """End with an error; the first one counts."""
        if self.failure is None:
            self.failure = error
            self._writable.set()
            for waiting in self._waiting.values():
                waiting.ended.set()
            self.on_failure()

    def named(self, error: StreamctlError) -> StreamctlError:
        """An error that says whose it is; those of wire formats don't know."""
        if isinstance(error, RemoteProtocolError):
            return RemoteProtocolError(f"`{self.upstream.shown}`: {error}", hint=error.hint)
        return error

    def check(self) -> None:
        """Return if the connection is of use.

        Raises:
            StreamctlError: why it is not.
        """
        if self.failure is not None:
            raise self.failure

    async def writable(self) -> None:
        """Return when the wire takes more bytes."""
        await self._writable.wait()

    def write_frame(self, channel: int, data: bytes) -> None:
        """Send a frame between the messages."""
        self.write_frames(b"".join((b"$", bytes((channel,)), len(data).to_bytes(2, "big"), data)))

    def write_frames(self, data: bytes) -> None:
        """Send whole frames; wait for :meth:`writable` before."""
        if self.failure is None:
            self.bytes_sent += len(data)
            self.wire.write(data)

    async def ask(
        self, method: str, url: str, fields: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """The answer to a request, logged in if the server wants that.

        Raises:
            ConnectionFailed: no answer in time, the connection is gone, or the login is refused.
            RemoteProtocolError: the server broke the protocol.
        """
        fields = list(fields)
        challenged = False
        for _ in range(LOGINS):
            response = await self.exchange(self._request(method, url, fields, body))
            if response.status != Status.UNAUTHORIZED:
                return response
            challenge = self._login_wanted(response)
            if challenged and not challenge.stale:
                break
            challenged = True
            self._challenge = challenge
        raise ConnectionFailed(
            f"`{self.upstream.shown}` refuses the login", hint=LOGIN_HINT, permanent=True
        )

    def say(self, method: str, url: str) -> None:
        """Ask without interest in the answer."""
        if self.failure is None:
            self.wire.write(self._request(method, url, (), b"").serialize())

    def close(self) -> None:
        """Close the connection."""
        self.wire.close("done")

    def _request(
        self, method: str, url: str, fields: Iterable[tuple[str, str]], body: bytes
    ) -> Request:
        self._number += 1
        headers = Headers([("CSeq", str(self._number)), ("User-Agent", AGENT)])
        login, challenge = self.upstream.login, self._challenge
        if login is not None and challenge is not None:
            proof = login.authorize(challenge, method, url, secrets.token_hex(8))
            headers.add("Authorization", proof)
        if self.session:
            headers.add("Session", self.session)
        for name, value in fields:
            headers.add(name, value)
        return Request(method, url, headers, body)

    async def exchange(self, request: Request) -> Response:
        """The answer to one request, whatever it says.

        Raises:
            ConnectionFailed: no answer in time, or the connection is gone.
            RemoteProtocolError: the server broke the protocol.
        """
        self.check()
        number = request.cseq or 0
        waiting = self._waiting[number] = Waiting()
        self.wire.write(request.serialize())
        deadline = self._clock.call_later(self._timeout_s, waiting.ended.set)
        try:
            await waiting.ended.wait()
        finally:
            deadline.cancel()
            self._waiting.pop(number, None)
        if waiting.response is not None:
            return waiting.response
        self.check()
        raise ConnectionFailed(
            f"`{self.upstream.shown}` gave no answer to {request.method} "
            f"within {self._timeout_s:g} s"
        )

    def _login_wanted(self, response: Response) -> Challenge:
        """How the server wants us to log in.

        Raises:
            ConnectionFailed: we can't.
        """
        shown = f"`{self.upstream.shown}`"
        if self.upstream.login is None:
            raise ConnectionFailed(f"{shown} wants a login", hint=LOGIN_HINT, permanent=True)
        offered = parse_challenges(response.headers.all("WWW-Authenticate"))
        if not offered:
            raise ConnectionFailed(
                f"{shown} wants a login of an unknown kind",
                hint="switch Digest or Basic on there",
                permanent=True,
            )
        return offered[0]

    def _frame(self, frame: Frame) -> None:
        if self.take(frame.channel, frame.data):
            self.stray = 0
            return
        self.stray += len(frame.data) + MEDIA_HEAD_BYTES
        if self.stray > STRAY_BYTES:
            raise RemoteProtocolError(f"{self.stray} bytes on channels that nobody agreed on")

    def _answered(self, response: Response) -> None:
        number = response.cseq
        if number is None and self._waiting:
            # Some say nothing of it; they answer in order.
            number = next(iter(self._waiting))
        waiting = self._waiting.get(number or 0)
        if waiting is not None:
            waiting.response = response
            waiting.ended.set()

    def _asked(self, request: Request) -> None:
        status = Status.OK
        if request.method == "TEARDOWN":
            self.fail(ConnectionFailed(f"`{self.upstream.shown}` ended the session"))
        elif request.method == "REDIRECT":
            self.fail(ConnectionFailed(f"`{self.upstream.shown}` sends us elsewhere"))
        elif request.method not in HARMLESS:
            status = Status.NOT_IMPLEMENTED
        fields = [("CSeq", str(request.cseq))] if request.cseq is not None else []
        self.wire.write(Response(status, Headers(fields)).serialize())


class Waiting:
    """A request that has not been answered."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.response: Response | None = None


def nothing() -> None:
    """Nobody waits yet."""


def refuse_frame(channel: int, data: memoryview) -> bool:
    """No channel was agreed on yet."""
    del channel, data
    return False


@asynccontextmanager
async def opened(
    upstream: Upstream, clock: Clock, timeout_s: float, connect: Connect
) -> AsyncIterator[RtspClient]:
    """A connection that can be asked; its failure cancels the body and is raised.

    Raises:
        ConnectionFailed: not reachable, or closed.
        RemoteProtocolError: the server broke the protocol.
    """
    client = RtspClient(upstream, clock, timeout_s)
    await connect(client)
    try:
        with anyio.CancelScope() as scope:
            client.on_failure = scope.cancel
            client.check()
            yield client
        client.check()
    finally:
        client.close()
