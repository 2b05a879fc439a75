"""The two ports that one track of a publisher comes to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import StreamctlError
from streamctl.net.udp_pair import receiving_pair
from streamctl.net.udp_socket import Reception
from streamctl_rtsp.server.reply import Declined
from streamctl_rtsp.wire.message import Status

if TYPE_CHECKING:
    from streamctl.net.udp_pair import UdpPair
    from streamctl_rtsp.server.publisher import Publisher
    from streamctl_rtsp.wire.transport import Pair, Transport

BUFFER_BYTES = 4 * 1024 * 1024
"""What the kernel is asked to hold: more than half a second at 50 Mbit/s."""


class UdpIntake:
    """Receives from the publisher's address and from nobody else's."""

    def __init__(self, publisher: Publisher, track: int, transport: Transport) -> None:
        self.publisher = publisher
        self.track = track
        self.transport = transport
        self._pair: UdpPair | None = None
        self._failure: StreamctlError | None = None
        self._ready = anyio.Event()
        self._over = anyio.Event()

    async def open(self) -> Pair:
        """The ports, which are open when this returns.

        Raises:
            Declined: there are none.
        """
        self.publisher.peer.port.tasks.start_soon(self._run)
        await self._ready.wait()
        if self._pair is None:
            reason = self._failure.message if self._failure else ""
            raise Declined(Status.INTERNAL_ERROR, reason)
        return self._pair.media.port, self._pair.reports.port

    def close(self) -> None:
        """Receive no more."""
        self._over.set()

    def send_report(self, data: bytes) -> None:
        """Send a report to the publisher."""
        ports = self.transport.client_port
        if self._pair is not None and ports is not None:
            self._pair.reports.send(data, (self.publisher.peer.remote[0], ports[1]))

    async def _run(self) -> None:
        publisher, track = self.publisher, self.track
        reception = Reception(("", 0), sender=publisher.peer.remote[0], buffer_bytes=BUFFER_BYTES)
        try:
            async with receiving_pair(
                reception,
                partial(publisher.datagrams, track),
                partial(publisher.reports, track),
            ) as self._pair:
                self._ready.set()
                await self._over.wait()
        except StreamctlError as error:
            self._failure = error
        finally:
            self._pair = None
            self._ready.set()
