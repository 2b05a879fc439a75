"""TCP listeners and outgoing connections for protocols that are written as a ``Peer``.

Each connection gets its own peer object; what happens on it is
:class:`~streamctl.net.connection.Connection`'s matter.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio

from streamctl.net.address import listening_sockets, show
from streamctl.net.connection import Connection, Connections
from streamctl.net.failure import connect_failed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from streamctl.sdk.endpoints import Address, Peer

STOP_S = 1.0
"""How long peers may take to read the last bytes when a listener stops."""
HANDSHAKE_S = 10.0
"""Deadline of a TLS handshake."""
ATTEMPT_S = 0.25
"""When the next address of a host is tried besides the first (RFC 8305, section 5)."""


async def serve_tcp(
    address: Address,
    factory: Callable[[], Peer],
    *,
    ready: Callable[[Address], None],
    tls: ssl.SSLContext | None = None,
    backlog: int = 1024,
    key: str = "address",
) -> None:
    """Accept connections until cancelled; then close all of them.

    ``ready`` gets the bound address; ``key`` is the setting that errors name.

    Raises:
        ConnectionFailed: the address can't be bound.
    """
    loop = asyncio.get_running_loop()
    connections = Connections()
    sockets = await listening_sockets(address, backlog=backlog, key=key)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(stop, connections)
        for listening in sockets:
            server = await loop.create_server(
                lambda: Connection(factory(), connections),
                sock=listening,
                ssl=tls,
                backlog=backlog,
                ssl_handshake_timeout=HANDSHAKE_S if tls else None,
            )
            stack.callback(server.close)
        ready((address[0], sockets[0].getsockname()[1]))
        await anyio.sleep_forever()


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
                lambda: Connection(peer),
                host,
                port,
                ssl=tls,
                server_hostname=server_hostname,
                happy_eyeballs_delay=ATTEMPT_S,
            )
    except OSError as error:
        raise connect_failed(error, show((host, port))) from error
