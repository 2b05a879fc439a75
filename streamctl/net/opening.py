"""From an accepted socket to a connection: in the clear at once, over TLS after a handshake.

A handshake costs a thousand times what an accept does and happens before anybody is asked for a
key, so it has a deadline, and only so many may be under way. Clients that don't begin one are told
apart by their first byte.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from typing import TYPE_CHECKING

from streamctl.net.connection import Connection
from streamctl.net.failure import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.net.connection import Connections
    from streamctl.net.tls import ServerTls
    from streamctl.sdk.endpoints import Peer

HANDSHAKES_MAX = 1024
"""Handshakes under way on one listener; each is a connection and some 50 KB."""
HANDSHAKES_PER_IP = 128
"""The same from one address: a crowd behind one router that returns after a break."""
TLS_HANDSHAKE = b"\x16"
"""The first byte of every TLS connection (RFC 8446, section 5.1)."""

log = logging.getLogger(__name__)


class Opening:
    """Opens the connections of one listener."""

    def __init__(
        self,
        factory: Callable[[], Peer],
        connections: Connections,
        tls: ServerTls | None = None,
        plain: Callable[[], Peer] | None = None,
    ) -> None:
        self._factory = factory
        self._connections = connections
        self._tls = tls
        self._plain = plain
        self._loop = asyncio.get_running_loop()
        self._under_way: Counter[str] = Counter()
        """Handshakes by address."""

    async def open(self, accepted: socket.socket, ip: str) -> None:
        """Open one connection, whatever goes wrong with it."""
        try:
            if self._tls is None:
                await self._connect(accepted, self._factory)
            else:
                await self._negotiate(accepted, ip, self._tls)
        except ssl.SSLError as error:
            log.info("%s: closed: %s", ip, describe(error))
            accepted.close()
        except OSError as error:
            # TimeoutError is among them.
            log.debug("a connection did not come about: %s", describe(error))
            accepted.close()
        except Exception:
            log.exception("a connection did not come about")
            accepted.close()
        except BaseException:
            accepted.close()
            raise

    async def _negotiate(self, accepted: socket.socket, ip: str, tls: ServerTls) -> None:
        under_way = self._under_way
        if under_way[ip] >= HANDSHAKES_PER_IP or under_way.total() >= HANDSHAKES_MAX:
            raise ConnectionRefusedError("too many TLS handshakes are under way")
        under_way[ip] += 1
        try:
            async with asyncio.timeout(tls.handshake_s):
                first = await self._first_byte(accepted)
            if first == TLS_HANDSHAKE:
                await self._connect(accepted, self._factory, tls)
            elif first and self._plain is not None:
                await self._connect(accepted, self._plain)
            else:
                if first:
                    log.info("%s: closed: port %d is for TLS", ip, accepted.getsockname()[1])
                accepted.close()
        finally:
            under_way[ip] -= 1
            if not under_way[ip]:
                del under_way[ip]

    async def _first_byte(self, accepted: socket.socket) -> bytes:
        """What a client begins with, left where it is; empty if it has gone."""
        readable = asyncio.Event()
        self._loop.add_reader(accepted.fileno(), readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(accepted.fileno())
        return accepted.recv(1, socket.MSG_PEEK)

    async def _connect(
        self, accepted: socket.socket, factory: Callable[[], Peer], tls: ServerTls | None = None
    ) -> None:
        connection = Connection(factory(), self._connections)
        await self._loop.connect_accepted_socket(
            lambda: connection,
            accepted,
            ssl=tls.context if tls else None,
            ssl_handshake_timeout=tls.handshake_s if tls else None,
        )
