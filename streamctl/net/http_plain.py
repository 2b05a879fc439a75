"""The answer to plain HTTP on a port that speaks TLS: a sentence instead of a broken connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.net.http_response import problem
from streamctl.sdk.endpoints import HttpRequest

if TYPE_CHECKING:
    from streamctl.net.http_response import ResponseWriter
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire


class PlainPeer:
    """A client that speaks HTTP in the clear where TLS is spoken: it is told so."""

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer
        self._wire: Wire

    def connected(self, wire: Wire, remote: Address) -> None:
        """Wait for the bytes by which the client was recognised."""
        self._wire = wire

    def received(self, data: bytes | memoryview) -> None:
        """Answer whatever was asked, and close."""
        nothing = HttpRequest("GET", "/", {}, {}, "")
        reply = problem(400, "this port speaks HTTPS: write `https://` in the address")
        self._wire.write(self._writer.response(nothing, reply, keep_alive=False).head)
        self._wire.close("not TLS")

    def paused(self) -> None:
        """The answer is small."""

    def resumed(self) -> None:
        """The answer is small."""

    def closed(self, reason: str) -> None:
        """Nothing was held."""
