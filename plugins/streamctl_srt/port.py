"""The SRT port: publishers and viewers on one address."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed
from streamctl_srt.admission import PROTOCOL, Admission
from streamctl_srt.binding import Binding, numeric
from streamctl_srt.connection import Connection
from streamctl_srt.sender import ENDED, Sender
from streamctl_srt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Gate
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.options import ListenerOptions
    from streamctl_srt.runtime import Engine, Runtime

TICK_S = 1.0
KEY = "[listeners.srt] address"


class SrtListener:
    """Implements :class:`streamctl.sdk.endpoints.Listener` and ``Retirable``."""

    def __init__(
        self, address: Address, options: ListenerOptions, ctx: Context, runtime: Runtime
    ) -> None:
        self.address = address
        self.options = options
        self.ctx = ctx
        self.runtime = runtime
        self._port: Port | None = None

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled, or retired and left by all.

        Raises:
            ConnectionFailed: the address can't be bound, or libsrt has failed.
            MissingLibrary: the system has no libsrt.
        """
        async with self.runtime.running() as engine:
            settings = Settings.of(self.options)
            port = Port(engine, gate, self.ctx, settings, self.options.max_connections)
            self._port = port
            try:
                ready(await port.open(self.address))
                while not port.failure and not port.left:
                    await self.ctx.clock.sleep(TICK_S)
                    port.tick()
                if port.failure:
                    raise ConnectionFailed(port.failure)
            finally:
                with anyio.CancelScope(shield=True):
                    await port.close("the server stops listening here")

    def retire(self) -> None:
        """Free the address; peers that are connected stay."""
        if self._port is not None:
            self._port.retire()


class Port:
    """The open port; implements :class:`streamctl_srt.reader.Host`."""

    def __init__(
        self, engine: Engine, gate: Gate, ctx: Context, settings: Settings, limit: int
    ) -> None:
        self.engine = engine
        self.gate = gate
        self.ctx = ctx
        self.settings = settings
        self.sender = Sender("srt-sender")
        self.admission = Admission(gate, engine.reader, engine.library, limit)
        self.connections: set[Connection] = set()
        self.failure = ""
        """Why nobody can come any more."""
        self._endpoint: Endpoint | None = None

    async def open(self, address: Address) -> Address:
        """Listen; the address that was bound.

        Raises:
            ConnectionFailed: it can't be.
        """
        local = await numeric(address, KEY)
        callback = self.admission.callback
        endpoint = Binding(local, self.settings, callback, KEY).listen(self.engine.library)
        self._endpoint = endpoint
        self.engine.reader.listen(endpoint, self)
        return address[0], endpoint.address()[1]

    @property
    def left(self) -> bool:
        """Whether nobody is here, nor can come."""
        return self.admission.closing and not self.connections

    def retire(self) -> None:
        """Let nobody in any more."""
        self.admission.closing = True
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            self.engine.reader.forget(endpoint)
            endpoint.close()

    def accepted(self, peer: tuple[Endpoint, Address]) -> None:
        """A caller is through the handshake."""
        endpoint, address = peer
        admitted = self.admission.take(endpoint.number)
        if self.admission.closing or admitted is None:
            endpoint.close()
            return
        if self.gate.admit(PROTOCOL, address[0]) is not None:
            endpoint.close()
            return
        connection = Connection(self, endpoint, address, admitted)
        self.connections.add(connection)
        self.sender.add(connection.outbox)
        self.admission.connections = len(self.connections)
        connection.start()
        if not connection.over:
            self.engine.reader.receive(endpoint, connection)

    def failed(self, reason: str) -> None:
        """Nobody can come any more."""
        self.failure = reason

    def leave(self, connection: Connection) -> None:
        """A connection is over."""
        self.connections.discard(connection)
        self.admission.connections = len(self.connections)
        self.engine.reader.forget(connection.endpoint)
        self.gate.release(PROTOCOL, connection.address[0])

    def tick(self) -> None:
        """What has to be looked at once a second."""
        self.admission.expire(time.monotonic())
        if not self.engine.reader.alive:
            self.failed("nothing is read from SRT any more")
        elif not self.sender.alive:
            self.failed(ENDED)
        for connection in list(self.connections):
            connection.tick()

    async def close(self, reason: str) -> None:
        """Close every connection, then the port."""
        self.admission.closing = True
        for connection in list(self.connections):
            connection.close(reason)
        await self.sender.stop()
        self.retire()
