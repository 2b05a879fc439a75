"""An outgoing RTMP connection: what pulling and pushing share.

Drives :class:`~streamctl_rtmp.wire.client.ClientConnection` with bytes and turns whatever ends the
connection into one error. A server may send us elsewhere, or ask for a login: each takes a new
connection. What is done with media is left to :mod:`streamctl_rtmp.source` and
:mod:`streamctl_rtmp.sink`.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed, StreamctlError
from streamctl.net.tcp import connect_tcp
from streamctl.net.tls import client_trust
from streamctl_rtmp.address import Server
from streamctl_rtmp.scrub import scrub
from streamctl_rtmp.wire.auth import Login, LoginRefused, next_query
from streamctl_rtmp.wire.client import ClientConnection, Role
from streamctl_rtmp.wire.enhanced import Capability, capabilities
from streamctl_rtmp.wire.events import Connected, Refused, Started, StreamEnded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.url import StreamURL
    from streamctl_rtmp.options import ClientOptions
    from streamctl_rtmp.wire.events import Event

    Take = Callable[[Sequence[Event]], None]

MAX_CONNECTIONS = 6
"""A login takes three; the others are for redirects, of which more are a circle."""


class RtmpClient:
    """Implements :class:`streamctl.sdk.endpoints.Peer` for connections that we open."""

    wire: Wire

    def __init__(self, role: Role, server: Server, url: StreamURL, take: Take) -> None:
        self.connection = ClientConnection(role, server.target, secrets.token_bytes)
        self.settled = anyio.Event()
        """The server gives or takes media, or never will."""
        self.started = False
        """The server gives or takes media."""
        self.refused: Refused | None = None
        """How the server said no, if it did."""
        self.failure: StreamctlError | None = None
        """Why the connection is of no more use."""
        self.capabilities = Capability(0)
        """What the server says that it can read."""
        self.on_failure: Callable[[], object] = nothing
        self.bytes_sent = 0
        self._url = url
        self._take = take
        self._greeted = False
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
        if self.connection.parser.behind:
            self.wire.call_again()
        for event in events:
            match event:
                case Connected():
                    self._greeted = True
                    self.capabilities = capabilities(event.properties)
                case Started():
                    self.started = True
                    self.settled.set()
                case Refused():
                    self._refuse(event)
                case StreamEnded():
                    self.fail(ConnectionFailed(f"the stream ended at `{self._url.redacted}`"))
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
        hint = ""
        if self._greeted and not self.started and self.connection.role is Role.PUBLISH:
            reason = f"{reason} instead of taking media"
            hint = "the stream key may be wrong, or in use"
        self.fail(ConnectionFailed(f"`{self._url.redacted}`: {reason}", hint=hint))

    def fail(self, error: StreamctlError) -> None:
        """End with an error; the first one counts."""
        if self.failure is None:
            self.failure = error
            self.settled.set()
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

    def _refuse(self, event: Refused) -> None:
        self.refused = event
        text = scrub(event.description or event.code, self._url) or "without a reason"
        self.fail(ConnectionFailed(f"`{self._url.redacted}` refuses: {text}"))

    def _send(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self.wire.write(data)


def nothing() -> None:
    """Nobody waits for a failure yet."""


@asynccontextmanager
async def opened(
    role: Role, url: StreamURL, options: ClientOptions, ctx: Context, take: Take
) -> AsyncIterator[RtmpClient]:
    """A connection on which media may flow; its failure cancels the body and is raised.

    Raises:
        ConnectionFailed: not reachable, refused, silent for ``handshake_s``, or closed.
        RemoteProtocolError: the server broke the protocol.
        ConfigError: the URL names no stream, or `tls_ca` can't be used.
    """
    client = await established(role, url, options, ctx, take)
    try:
        with anyio.CancelScope() as scope:
            client.on_failure = scope.cancel
            if client.failure is not None:
                raise client.failure
            yield client
        if client.failure is not None:
            raise client.failure
    finally:
        client.close()


async def established(
    role: Role, url: StreamURL, options: ClientOptions, ctx: Context, take: Take
) -> RtmpClient:
    """A connection to the server that has the stream, wherever it leads.

    Raises:
        ConnectionFailed: not reachable, refused, silent for ``handshake_s``, or closed.
        RemoteProtocolError: the server broke the protocol.
        ConfigError: the URL names no stream, or `tls_ca` can't be used.
    """
    server = Server.of(url)
    for _ in range(MAX_CONNECTIONS):
        client = RtmpClient(role, server, url, take)
        failure = await reached(client, server, url, options, ctx)
        if failure is None:
            return client
        following = client.refused and next_server(server, client.refused, url)
        if not following:
            raise failure
        server = following
    raise ConnectionFailed(f"`{url.redacted}` sends us in a circle")


async def reached(
    client: RtmpClient, server: Server, url: StreamURL, options: ClientOptions, ctx: Context
) -> StreamctlError | None:
    """Wait for a server's word; why there will be no media, or None.

    Raises:
        ConnectionFailed: not reachable.
        ConfigError: `tls_ca` can't be used.
    """
    tls = None
    if server.secure:
        tls = await client_trust(options.tls_ca, verify=not options.tls_insecure)
    await connect_tcp(server.host, server.port, client, tls=tls, timeout_s=ctx.handshake_s)
    silence = ConnectionFailed(f"`{url.redacted}` gave no answer within {ctx.handshake_s:g} s")
    deadline = ctx.clock.call_later(ctx.handshake_s, lambda: client.fail(silence))
    try:
        await client.settled.wait()
    except BaseException:
        client.close()
        raise
    finally:
        deadline.cancel()
    if client.failure is not None:
        client.close()
    return client.failure


def next_server(server: Server, refused: Refused, url: StreamURL) -> Server | None:
    """Where to ask after a refusal; None if it is final.

    Raises:
        ConnectionFailed: a redirect can't be followed, or the server wants another login than
            the URL has.
    """
    if refused.redirect:
        return server.elsewhere(refused.redirect)
    login = Login(url.user, url.password)
    app = server.target.app.partition("?")[0]
    try:
        query = next_query(refused.description, app, login, secrets.token_bytes)
    except LoginRefused as error:
        raise ConnectionFailed(f"`{url.redacted}` refuses: {error}") from None
    return server.asking(query) if query else None
