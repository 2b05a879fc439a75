"""One SRT connection that we began, or that came to an input of its own."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed, StreamctlError
from streamctl.net.address import show
from streamctl_srt.binding import is_numeric
from streamctl_srt.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.url import StreamURL
    from streamctl_srt.runtime import Engine
    from streamctl_srt.settings import Settings

log = logging.getLogger("streamctl.srt")

PORT = 8890
PATIENCE_S = 1.0
"""What libsrt's own timeout of the handshake is exceeded by."""


class Link:
    """Implements :class:`streamctl_srt.reader.Caller`."""

    def __init__(self, endpoint: Endpoint, take: Callable[[bytes], None]) -> None:
        """``take`` gets what arrives; an error of it ends the connection."""
        self.endpoint = endpoint
        self.up = anyio.Event()
        """Connected, or not going to be."""
        self.over = anyio.Event()
        self.room = anyio.Event()
        """What was written has been sent; whoever waits sets a new one."""
        self.at_end: Callable[[], None] = nothing
        """Called when the connection ends."""
        self.failure: StreamctlError | None = None
        self._take = take

    def connected(self, endpoint: Endpoint) -> None:
        """The handshake is done."""
        self.up.set()

    def received(self, data: bytes) -> None:
        """Pass on what arrived."""
        if self.over.is_set():
            return
        try:
            self._take(data)
        except StreamctlError as error:
            self._end(error)
        except Exception as error:
            log.exception("what came over SRT can't be taken")
            self._end(StreamctlError(f"{type(error).__name__}: {error}"))

    def broken(self, reason: str) -> None:
        """The connection is gone, or did not come about."""
        self._end(ConnectionFailed(reason))

    def drained(self) -> None:
        """There is room to write again."""
        self.room.set()

    async def end(self) -> None:
        """Return never, and raise why the connection ended.

        Raises:
            StreamctlError: why.
        """
        await self.over.wait()
        assert self.failure is not None
        raise self.failure

    def _end(self, failure: StreamctlError) -> None:
        if not self.over.is_set():
            self.failure = failure
            self.up.set()
            self.over.set()
            self.at_end()


def nothing() -> None:
    """What happens when a connection ends that nobody uses yet."""


@asynccontextmanager
async def opened(
    url: StreamURL, settings: Settings, engine: Engine, take: Callable[[bytes], None]
) -> AsyncIterator[Link]:
    """A connection to the caller's URL, closed with the context.

    Raises:
        ConnectionFailed: none came about.
        SrtError: a setting is not allowed.
    """
    failure: StreamctlError | None = None
    for address in await resolved(url):
        link = Link(Endpoint(engine.library), take)
        try:
            await connect(link, address, settings, engine)
        except ConnectionFailed as error:
            engine.reader.close(link.endpoint)
            failure = error
            continue
        except BaseException:
            engine.reader.close(link.endpoint)
            raise
        try:
            yield link
        finally:
            engine.reader.close(link.endpoint)
        return
    assert failure is not None
    raise failure


async def connect(link: Link, address: Address, settings: Settings, engine: Engine) -> None:
    """Begin a connection and wait for it.

    Raises:
        ConnectionFailed: it did not come about.
        SrtError: a setting is not allowed.
    """
    where = show(address)
    settings.apply(link.endpoint)
    engine.reader.connect(link.endpoint, link)
    link.endpoint.connect(address)
    with anyio.move_on_after(settings.connect_timeout_s + PATIENCE_S):
        await link.up.wait()
    if link.failure is not None:
        raise ConnectionFailed(f"can't connect to `{where}`: {link.failure}")
    if not link.up.is_set():
        raise ConnectionFailed(f"can't connect to `{where}`: no answer")


async def resolved(url: StreamURL) -> Sequence[Address]:
    """The addresses of a URL's host, in the system's order.

    Raises:
        ConnectionFailed: the host is not known.
    """
    where = (url.host, url.port or PORT)
    if is_numeric(url.host):
        return [where]
    try:
        found = await anyio.getaddrinfo(*where)
    except OSError as error:
        raise ConnectionFailed(f"can't connect to `{show(where)}`: unknown host") from error
    return list(dict.fromkeys((str(sockaddr[0]), where[1]) for *_, sockaddr in found))
