"""Learns from a server why it gives nothing, where libav keeps only an error number.

The source of the plugin that would pull the URL asks once more, and what comes is thrown away.
Where there is none the server is connected to, which tells whether its certificate is trusted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from streamctl.avworker.client import AvWorkerClient
from streamctl.engine.services import PluginContext
from streamctl.errors import ConnectionFailed, StreamctlError
from streamctl.net.clock import LoopClock
from streamctl.net.tcp import connect_tcp
from streamctl.net.tls import client_trust
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamctl.media.packet import Packet, Track
    from streamctl.registry import Registry
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

HTTPS_PORT = 443


class Enough(StreamctlError):
    """The server gives media after all."""


class Nowhere:
    """Implements :class:`streamctl.sdk.lane.EpochWriter` for nobody."""

    def tracks(self, tracks: Sequence[Track]) -> None:
        """There is media."""
        raise Enough("tracks came")

    def put(self, packets: list[Packet], now: float) -> None:
        """There is media."""
        raise Enough("packets came")

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        """Nothing to choose from."""

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """There is media."""
        raise Enough("packets came")

    def drop(self, count: int) -> None:
        """Nothing to count."""

    def discontinuity(self, reason: str) -> None:
        """Nothing to interrupt."""


async def refusal(registry: Registry, target: str, timeout_s: float) -> ConnectionFailed | None:
    """What the server says against giving the stream; None if it has nothing against it."""
    try:
        url = StreamURL.parse(target)
        plugin = registry.load(url.kind)
    except StreamctlError:
        return await distrust(target, timeout_s)
    if Cap.PULL not in plugin.caps:
        return await distrust(target, timeout_s)
    context = PluginContext(
        clock=LoopClock(),
        log=logging.getLogger(f"streamctl.{url.kind}"),
        avworker=AvWorkerClient(),
        handshake_s=timeout_s,
        media_roots=(),
    )
    try:
        with anyio.fail_after(timeout_s):
            await plugin.source(url, plugin.InputOptions(), context).run(Nowhere())
    except ConnectionFailed as error:
        return error
    except TimeoutError:
        return ConnectionFailed(f"`{url.redacted}` sends nothing", hint="is anybody publishing?")
    except StreamctlError:
        return None
    return None


class Visitor:
    """Implements :class:`streamctl.sdk.endpoints.Peer`: looks at the server, and leaves."""

    def connected(self, wire: Wire, remote: Address) -> None:
        """Leave."""
        wire.close("seen")

    def received(self, data: bytes | memoryview) -> None:
        """Nothing was asked for."""

    def paused(self) -> None:
        """Nothing is sent."""

    def resumed(self) -> None:
        """Nothing is sent."""

    def closed(self, reason: str) -> None:
        """As wanted."""


async def distrust(target: str, timeout_s: float) -> ConnectionFailed | None:
    """Why no connection to an HTTPS server comes about; None if one does, or it is no such URL."""
    try:
        parts = urlsplit(target.partition("+")[2] if "+" in target.partition(":")[0] else target)
        host, port = parts.hostname, parts.port or HTTPS_PORT
    except ValueError:
        return None
    if parts.scheme != "https" or not host:
        return None
    trusted = await client_trust()
    try:
        await connect_tcp(host, port, Visitor(), tls=trusted, timeout_s=timeout_s)
    except ConnectionFailed as error:
        return error
    return None
