"""An outgoing RTMP connection: what pulling and pushing share.

Drives :class:`~streamctl_rtmp.wire.client.ClientConnection` with bytes and turns whatever ends the
connection into one error. What is done with media is left to
:mod:`streamctl_rtmp.source` and :mod:`streamctl_rtmp.sink`.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.errors import ConnectionFailed, StreamctlError
from streamctl.net.tcp import connect_tcp
from streamctl.net.tls import client_context
from streamctl_rtmp.address import port, target
from streamctl_rtmp.wire.client import ClientConnection, Role
from streamctl_rtmp.wire.events import Refused, Started, StreamEnded

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.url import StreamURL
    from streamctl_rtmp.options import ClientOptions
    from streamctl_rtmp.wire.events import Event


class RtmpClient:
    """Implements :class:`streamctl.sdk.endpoints.Peer` for connections that we open."""

    wire: Wire

    def __init__(self, role: Role, url: StreamURL, take: Callable[[Sequence[Event]], None]) -> None:
        self.connection = ClientConnection(role, target(url), secrets.token_bytes)
        self.started = anyio.Event()
        """The server gives or takes media."""
        self.failure: StreamctlError | None = None
        """Why the connection is of no more use."""
        self.on_failure: Callable[[], object] = nothing
        self.bytes_sent = 0
        self._take = take
        self._where = url.redacted
        self._writable = anyio.Event()
        self._writable.set()

    def connected(self, wire: Wire, remote: Address) -> None:
        """Begin the handshake."""
        self.wire = wire
        self.connection.open()
        self._send()

    def received(self, data: bytes | memoryview) -> None:
        """Take what the server sent, and answer."""
        try:
            events = self.connection.receive_data(data)
            self._take(events)
        except StreamctlError as error:
            self.fail(error)
            return
        self._send()
        for event in events:
            match event:
                case Started():
                    self.started.set()
                case Refused():
                    text = event.description or event.code or "without a reason"
                    self.fail(ConnectionFailed(f"`{self._where}` refuses: {text}"))
                case StreamEnded():
                    self.fail(ConnectionFailed(f"the stream ended at `{self._where}`"))
                case _:
                    continue

    def paused(self) -> None:
        """The server takes less than we have."""
        self._writable = anyio.Event()

    def resumed(self) -> None:
        """The server has taken everything."""
        self._writable.set()

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self.fail(ConnectionFailed(f"`{self._where}`: {reason}"))

    def fail(self, error: StreamctlError) -> None:
        """End with an error; the first one counts."""
        if self.failure is None:
            self.failure = error
            self.on_failure()

    async def writable(self) -> None:
        """Return when the wire takes more bytes."""
        await self._writable.wait()

    def write(self, data: bytes) -> None:
        """Send media; wait for :meth:`writable` before."""
        self.bytes_sent += len(data)
        self.wire.write(data)

    def close(self) -> None:
        """Say goodbye and close."""
        if self.failure is None:
            self.connection.close()
            self._send()
        self.wire.close("done")

    def _send(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self.wire.write(data)


async def trust(options: ClientOptions) -> ssl.SSLContext:
    """Whom a connection over TLS trusts; the system's authorities take a while to read.

    Raises:
        ConfigError: `tls_ca` can't be used.
    """
    return await to_thread.run_sync(
        partial(client_context, options.tls_ca, verify=not options.tls_insecure)
    )


def nothing() -> None:
    """Nobody waits for a failure yet."""


@asynccontextmanager
async def opened(
    client: RtmpClient, url: StreamURL, options: ClientOptions, ctx: Context
) -> AsyncIterator[None]:
    """A connection on which media may flow; its failure cancels the body and is raised.

    Raises:
        ConnectionFailed: not reachable, refused, silent for ``handshake_s``, or closed.
        RemoteProtocolError: the server broke the protocol.
        ConfigError: `tls_ca` can't be used.
    """
    tls = await trust(options) if url.secure else None
    await connect_tcp(url.host, port(url), client, tls=tls, timeout_s=ctx.handshake_s)
    silence = ConnectionFailed(f"`{url.redacted}` gave no answer within {ctx.handshake_s:g} s")
    deadline = ctx.clock.call_later(ctx.handshake_s, lambda: client.fail(silence))
    try:
        with anyio.CancelScope() as scope:
            client.on_failure = scope.cancel
            if client.failure is not None:
                raise client.failure
            await client.started.wait()
            deadline.cancel()
            yield
        if client.failure is not None:
            raise client.failure
    finally:
        deadline.cancel()
        client.close()
