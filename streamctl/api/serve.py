"""Runs an application on an address inside our own loop: uvicorn without its habits.

uvicorn would take over the process's signals, exit the process when a port is taken, wait for ever
for open streams, let a silent peer or an endless header stay, and not answer a client that has
closed its own direction. All five are turned off here.
"""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streamctl.api.problem import problem
from streamctl.net.address import listening_sockets
from streamctl.net.connection import tune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from streamctl.sdk.endpoints import Address

HEAD_TIMEOUT_S = 10.0
"""A request's head comes at once or never."""

MAX_HEAD_BYTES = 65_536
"""No client of this API sends more than a few hundred bytes of head."""

MAX_CONNECTIONS = 500
"""Operators, scrapers and dashboards; more is a mistake or an attack."""

BACKLOG = 128
"""Connections that wait to be accepted."""

GONE_S = 0.5
"""A server that has retired looks this often whether the last client has gone."""

GRACE_S = 0.5
"""How long a request in progress may go on when the server stops."""


class GuardedProtocol(HttpToolsProtocol):
    """An HTTP connection whose head has a deadline and a bound."""

    cycle: Any
    """The newest request; None before the first."""
    reading_head = True
    head_bytes = 0
    head_timer: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio sets TCP_NODELAY on the sockets that it made itself only; without it each
        # answer waits 40 ms for the acknowledgement of its head.
        tune(transport.get_extra_info("socket"))
        if len(self.connections) > MAX_CONNECTIONS:
            self.refuse(503, f"at most {MAX_CONNECTIONS} connections may be open")
        else:
            self.arm()

    # uvicorn's type leaves out what asyncio lets it answer.
    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a connection open for the answer to a client that has said all it will say."""
        cycle = self.cycle
        if cycle is None or cycle.response_started or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        # Only afterwards is it known whether the data was all head or already body.
        if self.reading_head and not self.transport.is_closing():
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                self.refuse(431, f"a request's head has at most {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.reading_head = True
        self.arm()

    def on_headers_complete(self) -> None:
        self.reading_head = False
        self.head_bytes = 0
        self.disarm()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "the request is not HTTP")

    def arm(self) -> None:
        """Give the head its deadline, counted from its first byte or the connection."""
        self.disarm()
        self.head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def disarm(self) -> None:
        """Drop the deadline."""
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def refuse(self, status: int, message: str) -> None:
        """Answer without the application, and close."""
        response = problem(status, message, headers={"connection": "close"})
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()


class EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the signals of the process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


class ApiServer:
    """Serves an application on one address; implements ``Retirable`` of ``sdk``."""

    def __init__(self, app: Starlette, address: Address) -> None:
        self.app = app
        self.address = address
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        # The annotation says int; the value is only handed to a timeout that takes fractions.
        config.timeout_graceful_shutdown = GRACE_S  # type: ignore[assignment]
        self._server = EmbeddedServer(config)
        self._retired = anyio.Event()

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Serve until cancelled, or retired and left by all; ``ready`` gets the bound address.

        Raises:
            ConnectionFailed: the address can't be bound.
        """
        sockets = await listening_sockets(self.address, backlog=BACKLOG, key="api.address")
        port = sockets[0].getsockname()[1]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, sockets)
            try:
                ready((self.address[0], port))
                await self._retired.wait()
                await self._left()
            finally:
                # Whoever took the place of a retired server feeds these followers.
                if not self._retired.is_set():
                    self.app.state.event_streams.stopping.set()
                self._server.should_exit = True

    def retire(self) -> None:
        """Free the address; clients that are connected stay."""
        for server in getattr(self._server, "servers", ()):
            server.close()
        self._retired.set()

    async def _left(self) -> None:
        """Wait until no client is connected."""
        while True:
            await anyio.sleep(GONE_S)
            if not self._server.server_state.connections:
                return

    async def _run(self, sockets: list[Any]) -> None:
        # Cancelled from outside, uvicorn would skip its shutdown and leave connections open.
        with anyio.CancelScope(shield=True):
            await self._server.serve(sockets)


async def serve_api(app: Starlette, address: Address, *, ready: Callable[[Address], None]) -> None:
    """Serve until cancelled; call ``ready`` with the bound address.

    Raises:
        ConnectionFailed: the address can't be bound.
    """
    await ApiServer(app, address).serve(ready)
