"""Fetches one HTTP response: follows redirects, judges the head, and hands over the body.

A connection serves one request. Bodies are handed over as they come and may have no end; when
nothing comes any more is the caller's matter.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl.net.http_answer import ResponseReader
from streamctl.net.tcp import connect_tcp

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streamctl.net.http_answer import Head
    from streamctl.net.http_target import Target
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

    Judge = Callable[[Head], None]
    """Raises when a response is not what was wanted."""
    Trust = Callable[[], Awaitable[ssl.SSLContext]]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 10
"""More are a circle of some kind; browsers stop at twenty, curl at fifty."""
SHOWN = 80
"""Characters of a server's own words that an error repeats."""
READ_LEAST_BYTES = 8192
"""A read costs the same, however little it brings."""
REFUSED = frozenset({400, 401, 403, 405, 407, 410, 414, 451})
"""Answers that won't change by asking again; a stream that is not found may still come."""


class Refused(ConnectionFailed):
    """A server's answer that brings nothing; ``status`` is its number."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, permanent=status in REFUSED)
        self.status = status


class Fetch:
    """One request and its response; implements :class:`streamctl.sdk.endpoints.Peer`."""

    wire: Wire

    def __init__(self, target: Target, judge: Judge, take: Callable[[bytes], None]) -> None:
        self.target = target
        self.location = ""
        """Where the response sends us; empty = nowhere."""
        self.failure: StreamctlError | None = None
        """Why there is no more, once there is not."""
        self.accepted = False
        """The response is the one that was wanted."""
        self.answered = anyio.Event()
        """The head has come, or never will."""
        self.ended = anyio.Event()
        self._reader = ResponseReader()
        self._judge = judge
        self._take = take

    def connected(self, wire: Wire, remote: Address) -> None:
        """Ask."""
        self.wire = wire
        wire.write(self.target.request())

    def received(self, data: bytes | memoryview) -> None:
        """Take what the server sends."""
        try:
            body = self._reader.feed(data)
            head = self._reader.head
            if head is not None and not self.answered.is_set():
                self._answer(head)
            if body and self.accepted:
                self._take(body)
        except RemoteProtocolError as error:
            self.fail(RemoteProtocolError(f"{self._shown}: {error}"))
        except StreamctlError as error:
            self.fail(error)
        if self._reader.complete and self.accepted:
            self.fail(ConnectionFailed(f"the stream ended at {self._shown}"))

    def paused(self) -> None:
        """A request fits any buffer."""

    def resumed(self) -> None:
        """A request fits any buffer."""

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self.fail(ConnectionFailed(f"{self._shown}: {reason}"))

    def fail(self, error: StreamctlError) -> None:
        """End with an error; the first one counts."""
        if self.failure is None:
            self.failure = error
            self.answered.set()
            self.ended.set()

    def close(self) -> None:
        """Close the connection."""
        self.wire.abort("done")

    def _answer(self, head: Head) -> None:
        """Look at the head of the response."""
        if head.status in REDIRECTS and head.headers.get("location"):
            self.location = head.headers["location"]
        else:
            check_status(head, self._shown)
            self._judge(head)
            self.accepted = True
            if not self.target.secure:
                self.wire.read_least(READ_LEAST_BYTES)
        self.answered.set()

    @property
    def _shown(self) -> str:
        return f"`{self.target.shown}`"


def check_status(head: Head, shown: str) -> None:
    """Refuse every response that brings nothing.

    Raises:
        Refused: in the server's words.
    """
    if head.status == HTTPStatus.OK:
        return
    known = {status.value: status.phrase for status in HTTPStatus}
    said = "".join(letter for letter in head.reason if letter.isprintable())
    words = said[:SHOWN] or known.get(head.status, "")
    hint = ""
    if head.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        hint = "a login stands before the host: `https://USER:PASSWORD@HOST/…`"
    raise Refused(f"{shown} answers {head.status} {words}".rstrip(), head.status, hint=hint)


class Fetcher:
    """Fetches from one place, wherever that leads."""

    def __init__(self, clock: Clock, trust: Trust, timeout_s: float) -> None:
        """``timeout_s`` is for each connection and each head of a response."""
        self.clock = clock
        self.trust = trust
        self.timeout_s = timeout_s

    @asynccontextmanager
    async def fetching(
        self, target: Target, judge: Judge, take: Callable[[bytes], None]
    ) -> AsyncIterator[Fetch]:
        """A response whose body is handed over for as long as the context lasts.

        Its end, and whatever goes wrong, is in ``failure`` when ``ended`` is set. An exception of
        ``judge`` or ``take`` is a failure.

        Raises:
            ConnectionFailed: not reachable, no answer in time, a refusal, or a circle.
            RemoteProtocolError: the server speaks no HTTP.
        """
        fetch = await self._reached(target, judge, take)
        try:
            yield fetch
        finally:
            fetch.close()

    async def _reached(self, target: Target, judge: Judge, take: Callable[[bytes], None]) -> Fetch:
        seen = {target.url}
        while True:
            fetch = await self._asked(target, judge, take)
            if fetch.accepted:
                return fetch
            fetch.close()
            if fetch.failure is not None:
                raise fetch.failure
            target = target.redirected(fetch.location)
            if target.url in seen or len(seen) > MAX_REDIRECTS:
                raise ConnectionFailed(f"`{target.shown}` sends us in a circle")
            seen.add(target.url)

    async def _asked(self, target: Target, judge: Judge, take: Callable[[bytes], None]) -> Fetch:
        """A response whose head has come."""
        fetch = Fetch(target, judge, take)
        tls = await self.trust() if target.secure else None
        await connect_tcp(target.host, target.port, fetch, tls=tls, timeout_s=self.timeout_s)
        silence = f"`{target.shown}` gave no answer within {self.timeout_s:g} s"
        deadline = self.clock.call_later(
            self.timeout_s, lambda: fetch.fail(ConnectionFailed(silence))
        )
        try:
            await fetch.answered.wait()
        except BaseException:
            fetch.close()
            raise
        finally:
            deadline.cancel()
        return fetch
