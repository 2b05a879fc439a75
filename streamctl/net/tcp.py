"""TCP listeners and outgoing connections for protocols that are written as a ``Peer``.

Each connection gets its own peer object; what happens on it is
:class:`~streamctl.net.connection.Connection`'s matter. A listener that retires frees its address at
once and goes on with the connections that it has.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.net.address import listening_sockets, show
from streamctl.net.connection import Connection, Connections
from streamctl.net.dial import connected_socket
from streamctl.net.failure import connect_failed, describe
from streamctl.net.opening import Opening

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.endpoints import Address, Peer

STOP_S = 1.0
"""How long peers may take to read the last bytes when a listener stops."""
BACKLOG = 1024
"""Connections that the kernel may hold until they are accepted."""
ACCEPT_BATCH = 64
"""Connections accepted in one turn of the loop, so that a rush leaves time for media."""
ACCEPT_RETRY_S = 1.0
"""Rest after the system refused to accept, for want of file descriptors mostly."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class TcpServer:
    """Accepts connections on one address; implements the ``retire`` of ``sdk`` listeners."""

    address: Address
    factory: Callable[[], Peer]
    """Makes the peer of a connection."""
    tls: ServerTls | None = None
    """Its files are followed as long as the address is held."""
    plain: Callable[[], Peer] | None = None
    """Makes the peers of clients who don't speak TLS where it is spoken."""
    key: str = "address"
    """The setting that errors name."""
    retired: asyncio.Event = field(default_factory=asyncio.Event)
    _held: ExitStack = field(default_factory=ExitStack)

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled, then close all connections; or until the last one has gone.

        ``ready`` gets the bound address.

        Raises:
            ConnectionFailed: the address can't be bound.
            ConfigError: the certificate can't be used.
        """
        if self.tls is not None:
            await to_thread.run_sync(self.tls.load)
        connections = Connections()
        sockets = await listening_sockets(self.address, backlog=BACKLOG, key=self.key)
        try:
            async with anyio.create_task_group() as tasks:
                with self._held:
                    for listening in sockets:
                        opening = Opening(self.factory, connections, self.tls, self.plain)
                        acceptor = Acceptor(listening, opening, tasks)
                        self._held.callback(acceptor.close)
                        acceptor.accept()
                    ready((self.address[0], sockets[0].getsockname()[1]))
                    await self._until_retired()
            # Handshakes that were under way are over here.
            await connections.gone()
        finally:
            await stop(connections)

    def retire(self) -> None:
        """Free the address; what is connected stays."""
        self._held.close()
        self.retired.set()

    async def _until_retired(self) -> None:
        async with anyio.create_task_group() as tasks:
            if self.tls is not None:
                tasks.start_soon(self.tls.watch)
            await self.retired.wait()
            tasks.cancel_scope.cancel()


async def serve_tcp(
    address: Address,
    factory: Callable[[], Peer],
    *,
    ready: Callable[[Address], None],
    tls: ServerTls | None = None,
    plain: Callable[[], Peer] | None = None,
    key: str = "address",
) -> None:
    """Accept connections until cancelled; then close all of them.

    Raises:
        ConnectionFailed: the address can't be bound.
        ConfigError: the certificate can't be used.
    """
    await TcpServer(address, factory, tls, plain, key).serve(ready)


class Acceptor:
    """Accepts connections on one listening socket, whatever goes wrong with some of them."""

    def __init__(self, listening: socket.socket, opening: Opening, tasks: TaskGroup) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._opening = opening
        self._tasks = tasks
        self._retry: asyncio.TimerHandle | None = None

    def accept(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._listening.fileno(), self._readable)

    def close(self) -> None:
        """Stop accepting and free the address."""
        self._loop.remove_reader(self._listening.fileno())
        if self._retry is not None:
            self._retry.cancel()
        self._listening.close()

    def _readable(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                accepted, remote = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("can't accept connections for a moment: %s", describe(error))
                self._loop.remove_reader(self._listening.fileno())
                self._retry = self._loop.call_later(ACCEPT_RETRY_S, self.accept)
                return
            accepted.setblocking(False)
            self._tasks.start_soon(self._opening.open, accepted, remote[0])


async def stop(connections: Connections) -> None:
    """Close what is left, also when the listener's task is being cancelled."""
    with anyio.CancelScope(shield=True):
        await connections.close("the server stops listening here", STOP_S)


async def connect_tcp(
    host: str,
    port: int,
    peer: Peer,
    *,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout_s: float = 10.0,
) -> None:
    """Connect and hand the connection to ``peer``, which has been told when this returns.

    With ``tls`` the peer's certificate must be valid for ``server_hostname``, or else ``host``.

    Raises:
        ConnectionFailed: no connection came about.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(
                lambda: Connection(peer, Connections()),
                sock=await connected_socket(host, port),
                ssl=tls,
                server_hostname=(server_hostname or host) if tls else None,
            )
    except OSError as error:
        raise connect_failed(error, show((host, port))) from error
