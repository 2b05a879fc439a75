"""How a client reaches its server: by TCP, over TLS, or through HTTP.

A tunnel is two connections: one brings everything from the server as it is, the other takes our
requests in base64. Specification: Apple, "Tunnelling RTSP and RTP through HTTP".
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamctl.errors import ConnectionFailed
from streamctl.net.tcp import connect_tcp
from streamctl.net.tls import client_trust
from streamctl_rtsp.wire.message import Status
from streamctl_rtsp.wire.tunnel import opening

if TYPE_CHECKING:
    import ssl

    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl_rtsp.client.connection import RtspClient
    from streamctl_rtsp.client.options import ClientOptions

COOKIE_BYTES = 16
CLOSED_TUNNEL_HINT = "the server may have no tunnel there: leave out `transport`, or try its port"


class Route:
    """Connects clients, as the options of an input or a destination say."""

    def __init__(self, options: ClientOptions, timeout_s: float) -> None:
        self.options = options
        self.timeout_s = timeout_s

    async def connect(self, client: RtspClient) -> None:
        """Connect to the client's upstream.

        Raises:
            ConnectionFailed: not reachable, or no tunnel there.
            ConfigError: `tls_ca` can't be used.
        """
        upstream = client.upstream
        tls = None
        if upstream.secure:
            options = self.options
            tls = await client_trust(options.tls_ca, verify=not options.tls_insecure)
        host, port, timeout_s = upstream.host, upstream.port, self.timeout_s
        await connect_tcp(host, port, client, tls=tls, timeout_s=timeout_s)
        if upstream.tunnel:
            try:
                await self._tunnel(client, tls)
            except BaseException:
                client.close()
                raise

    async def _tunnel(self, client: RtspClient, tls: ssl.SSLContext | None) -> None:
        upstream = client.upstream
        parts = urlsplit(upstream.url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        name = secrets.token_hex(COOKIE_BYTES)
        answer = await client.exchange(opening("GET", path, upstream.address, name))
        if answer.status != Status.OK:
            reason = f"{answer.status} {answer.reason}".rstrip()
            raise ConnectionFailed(
                f"`{upstream.shown}` opens no tunnel: {reason}", hint=CLOSED_TUNNEL_HINT
            )
        head = opening("POST", path, upstream.address, name).serialize()
        outlet = Outlet(client, head)
        host, port, timeout_s = upstream.host, upstream.port, self.timeout_s
        await connect_tcp(host, port, outlet, tls=tls, timeout_s=timeout_s)
        client.wire = TunnelWire(client.wire, outlet.wire)


class Outlet:
    """The connection of a tunnel that takes requests; implements ``Peer``."""

    wire: Wire

    def __init__(self, client: RtspClient, head: bytes) -> None:
        self.client = client
        self.head = head

    def connected(self, wire: Wire, remote: Address) -> None:
        """Begin the request that never ends."""
        self.wire = wire
        wire.write(self.head)

    def received(self, data: bytes | memoryview) -> None:
        """Nothing comes this way but refusals, and they end the connection."""

    def paused(self) -> None:
        """The server takes less than we have."""
        self.client.paused()

    def resumed(self) -> None:
        """The server has taken everything."""
        self.client.resumed()

    def closed(self, reason: str) -> None:
        """Half of a tunnel is none."""
        self.client.closed(reason)


class TunnelWire:
    """Implements :class:`streamctl.sdk.lane.Wire` on the two connections of a tunnel."""

    def __init__(self, inward: Wire, outward: Wire) -> None:
        self.inward = inward
        self.outward = outward

    def write(self, data: bytes | memoryview) -> None:
        """Send in base64."""
        self.outward.write(base64.b64encode(data))

    def unsent(self) -> int:
        """Bytes that the server's kernel has not acknowledged."""
        return self.outward.unsent()

    def set_send_buffer(self, size: int) -> None:
        """Ask the kernel for a send buffer."""
        self.outward.set_send_buffer(size)

    def read_least(self, size: int) -> None:
        """Ask to hear of arriving bytes only once there are so many."""
        self.inward.read_least(size)

    def call_again(self) -> None:
        """Hear nothing more in this turn of the loop."""
        self.inward.call_again()

    def close(self, reason: str) -> None:
        """Flush what was written, then close both."""
        self.outward.close(reason)
        self.inward.close(reason)

    def abort(self, reason: str) -> None:
        """Close both at once."""
        self.outward.abort(reason)
        self.inward.abort(reason)
