"""A port that belongs to one input: the first caller who comes is its source."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from streamctl.errors import ConnectionFailed
from streamctl.net.address import show
from streamctl.sdk.session import RefusalCode
from streamctl_srt.admission import ACCEPTED, REFUSED, RESERVED_S
from streamctl_srt.binding import Binding, numeric
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.link import Link
from streamctl_srt.reject import CODES, INTERNAL, reason_text
from streamctl_srt.structs import ListenCallback, from_sockaddr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address
    from streamctl_srt.runtime import Engine
    from streamctl_srt.settings import Settings

KEY = "url"
QUIET_S = 1.0
"""Callers who are turned away are logged this often at most."""

log = logging.getLogger("streamctl.srt")


class Inlet:
    """Implements :class:`streamctl_srt.reader.Host`."""

    def __init__(
        self, engine: Engine, ctx: Context, stream_id: str, take: Callable[[bytes], None]
    ) -> None:
        self.engine = engine
        self.ctx = ctx
        self.stream_id = stream_id
        """What a caller must ask for; empty = anything."""
        self.callback = ListenCallback(self.ask)
        self.address: Address = ("", 0)
        self.link: Link | None = None
        self.came = anyio.Event()
        """Somebody came, or nobody can any more."""
        self.failure = ""
        self.closed = False
        """Whoever is on the way in comes too late."""
        self._take = take
        self._said_at = -QUIET_S

    def ask(self, opaque: object, number: int, version: int, peer: Any, text: bytes) -> int:
        """Answer libsrt, in its thread: one caller, with the right stream id if there is one."""
        del opaque, version
        try:
            address = from_sockaddr(peer.contents)
            code = self._judge((text or b"").decode(errors="replace"))
            self.engine.reader.post(self._asked, (number, address, code))
        except Exception:
            log.exception("a caller could not be judged")
            code = INTERNAL
        if not code:
            return ACCEPTED
        Endpoint(self.engine.library, number).reject(code)
        return REFUSED

    def accepted(self, peer: tuple[Endpoint, Address]) -> None:
        """A caller came; who comes second has to go."""
        endpoint, address = peer
        if self.link is not None or self.closed:
            self.engine.reader.close(endpoint)
            return
        self.address = address
        self.link = Link(endpoint, self._take)
        self.engine.reader.receive(endpoint, self.link)
        self.came.set()

    def failed(self, reason: str) -> None:
        """Nobody can come any more."""
        self.failure = reason
        self.came.set()

    async def caller(self) -> Link:
        """The connection of the first who comes.

        Raises:
            ConnectionFailed: nobody can.
        """
        await self.came.wait()
        if self.link is None:
            raise ConnectionFailed(self.failure)
        return self.link

    def _judge(self, stream_id: str) -> int:
        """The code of a refusal; 0 = come in."""
        if self.link is not None:
            return CODES[RefusalCode.BUSY]
        if self.stream_id and stream_id != self.stream_id:
            return CODES[RefusalCode.NOT_FOUND]
        return 0

    def _asked(self, question: tuple[int, Address, int]) -> None:
        """Tell who was turned away, or see whether the handshake comes to something."""
        number, address, code = question
        if code:
            self._say(address, reason_text(code))
        else:
            self.ctx.clock.call_later(RESERVED_S, partial(self._due, number, address))

    def _due(self, number: int, address: Address) -> None:
        if self.link is None or self.link.endpoint.number != number:
            self._say(address, "the handshake came to nothing, the passphrase may be wrong")

    def _say(self, address: Address, reason: str) -> None:
        now = self.ctx.clock.now()
        if now - self._said_at >= QUIET_S:
            self._said_at = now
            self.ctx.log.info("srt input: refused %s: %s", show(address), reason)


@asynccontextmanager
async def waiting(
    address: Address, settings: Settings, engine: Engine, inlet: Inlet
) -> AsyncIterator[None]:
    """A port that waits for its caller; closed with the context, and the connection with it.

    Raises:
        ConnectionFailed: the address can't be bound.
        SrtError: a setting is not allowed.
    """
    local = await numeric(address, KEY)
    binding = Binding(local, replace(settings, stream_id=""), inlet.callback, KEY)
    endpoint = binding.listen(engine.library)
    try:
        engine.reader.listen(endpoint, inlet)
        yield
    finally:
        inlet.closed = True
        engine.reader.close(endpoint)
        if inlet.link is not None:
            engine.reader.close(inlet.link.endpoint)
