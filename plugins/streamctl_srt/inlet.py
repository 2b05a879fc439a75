"""A port that belongs to one input: the first caller who comes is its source."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from streamctl.sdk.session import RefusalCode
from streamctl_srt.binding import Binding, numeric
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.link import Link
from streamctl_srt.reject import CODES, INTERNAL
from streamctl_srt.structs import ListenCallback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.sdk.endpoints import Address
    from streamctl_srt.runtime import Engine
    from streamctl_srt.settings import Settings

KEY = "url"

log = logging.getLogger("streamctl.srt")


class Inlet:
    """Implements :class:`streamctl_srt.reader.Host`."""

    def __init__(self, engine: Engine, stream_id: str, take: Callable[[bytes], None]) -> None:
        self.engine = engine
        self.stream_id = stream_id
        """What a caller must ask for; empty = anything."""
        self.callback = ListenCallback(self.ask)
        self.address: Address = ("", 0)
        self.link: Link | None = None
        self.came = anyio.Event()
        self._take = take

    def ask(self, opaque: object, number: int, version: int, peer: Any, text: bytes) -> int:
        """Answer libsrt, in its thread: one caller, with the right stream id if there is one."""
        del opaque, version, peer
        code = None
        try:
            if self.link is not None:
                code = CODES[RefusalCode.BUSY]
            elif self.stream_id and (text or b"").decode(errors="replace") != self.stream_id:
                code = CODES[RefusalCode.NOT_FOUND]
        except Exception:
            log.exception("a caller could not be judged")
            code = INTERNAL
        if code is None:
            return 0
        Endpoint(self.engine.library, number).reject(code)
        return -1

    def accepted(self, peer: tuple[Endpoint, Address]) -> None:
        """A caller came; who comes second has to go."""
        endpoint, address = peer
        if self.link is not None:
            self.engine.reader.close(endpoint)
            return
        self.address = address
        self.link = Link(endpoint, self._take)
        self.engine.reader.receive(endpoint, self.link)
        self.came.set()


@asynccontextmanager
async def waiting(
    address: Address, settings: Settings, engine: Engine, take: Callable[[bytes], None]
) -> AsyncIterator[Inlet]:
    """A port that waits for its caller; closed with the context, and the connection with it.

    Raises:
        ConnectionFailed: the address can't be bound.
        SrtError: a setting is not allowed.
    """
    inlet = Inlet(engine, settings.stream_id, take)
    local = await numeric(address, KEY)
    binding = Binding(local, replace(settings, stream_id=""), inlet.callback, KEY)
    endpoint = binding.listen(engine.library)
    try:
        engine.reader.listen(endpoint, inlet)
        yield inlet
    finally:
        engine.reader.close(endpoint)
        if inlet.link is not None:
            engine.reader.close(inlet.link.endpoint)
