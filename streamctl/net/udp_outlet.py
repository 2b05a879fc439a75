"""Sending RTP to one receiver, or to a group: a connected port for media, another one for reports.

A receiver's reports come to the port behind that of the media, which is an even one.
Specification: RFC 3550, section 11.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.errors import ConnectionFailed
from streamctl.net.address import show
from streamctl.net.burst import SOL_UDP, UDP_SEGMENT, UNCUT
from streamctl.net.failure import connect_failed
from streamctl.net.udp import receiving
from streamctl.net.udp_pair import ATTEMPTS, even_port, packed, unpacking
from streamctl.net.udp_send import SEND_BUFFER_BYTES, Transmission, sending_socket
from streamctl.net.udp_socket import Reception, lookup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamctl.net.burst import Burst
    from streamctl.net.udp_pair import Take
    from streamctl.sdk.endpoints import Address

ANYWHERE: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


class UdpOutlet:
    """What is sent of one track."""

    def __init__(self, media: socket.socket, report: Callable[[bytes], None]) -> None:
        self.report = report
        """Sends a report; it is lost if it can't leave now."""
        self.refused = 0
        """How often the receiver said that nobody listens there."""
        self._fd = media.fileno()
        self._cut = cuts(media)
        """Whether the kernel cuts messages into datagrams on the way to the receiver."""
        self.ports = (int(media.getsockname()[1]), int(media.getsockname()[1]) + 1)
        """What is sent from, and where reports may come to."""

    def send(self, burst: Burst, first: int, count: int) -> int:
        """Send some datagrams of a burst; how many have left, or are lost for good."""
        try:
            return burst.send(self._fd, first, count, cut=self._cut)
        except OSError as error:
            if error.errno in UNCUT:
                self._cut = False
            else:
                # It is an earlier datagram's: a receiver that is gone, or not there yet.
                self.refused += 1
            with suppress(OSError):
                return burst.send(self._fd, first, count, cut=self._cut)
            return count


def cuts(found: socket.socket) -> bool:
    """Whether the kernel can cut what a socket sends into datagrams: Linux since 4.18."""
    try:
        found.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


@asynccontextmanager
async def sending_pair(
    host: str, ports: tuple[int, int], reports: Take
) -> AsyncIterator[UdpOutlet]:
    """Send to two ports of a numeric address; ``reports`` takes what comes back from it.

    Raises:
        ConnectionFailed: the address can't be reached, or no pair of ports is free.
    """
    async with AsyncExitStack() as stack:
        yield await opened(stack, host, ports, reports)


async def opened(
    stack: AsyncExitStack, host: str, ports: tuple[int, int], reports: Take
) -> UdpOutlet:
    """An outlet that ends with the stack.

    Raises:
        ConnectionFailed: the address can't be reached, or no pair of ports is free.
    """
    attempts = ATTEMPTS
    while True:
        attempts -= 1
        async with AsyncExitStack() as attempt:
            try:
                media = attempt.enter_context(
                    await to_thread.run_sync(connected_socket, (host, ports[0]))
                )
                own = (ANYWHERE[media.family], int(media.getsockname()[1]) + 1)
                receiver = await attempt.enter_async_context(
                    receiving(Reception(own, sender=host), packed, unpacking(reports))
                )
            except ConnectionFailed:
                if not attempts:
                    raise
                continue
            stack.push_async_exit(attempt.pop_all())
            return UdpOutlet(media, partial(receiver.send, address=(host, ports[1])))


@asynccontextmanager
async def sending_group(transmission: Transmission) -> AsyncIterator[UdpOutlet]:
    """Send to a multicast group, media to its port and reports to the next one.

    Raises:
        ConnectionFailed: there is no way to the group.
    """
    host, port = transmission.address

    def open_both() -> tuple[socket.socket, socket.socket]:
        media = sending_socket(transmission)
        try:
            where = (host, port + 1)
            other = Transmission(
                where, transmission.interface, transmission.ttl, transmission.loopback
            )
            return media, sending_socket(other)
        except ConnectionFailed:
            media.close()
            raise

    media, reports = await to_thread.run_sync(open_both)
    with media, reports:

        def report(data: bytes) -> None:
            with suppress(OSError):
                reports.send(data)

        yield UdpOutlet(media, report)


def connected_socket(address: Address) -> socket.socket:
    """A non-blocking socket on an even port, connected to a numeric address.

    Raises:
        ConnectionFailed: the port is taken, or the address can't be reached.
    """
    try:
        family, where = lookup(address)
        with ExitStack() as undo:
            found = socket.socket(family, socket.SOCK_DGRAM)
            undo.callback(found.close)
            found.setblocking(False)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            # What comes to it opens a way through somebody's address translation, no more.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            found.bind((ANYWHERE[family], even_port(ANYWHERE[family])))
            found.connect(where)
            undo.pop_all()
    except OSError as error:
        raise connect_failed(error, show(address)) from error
    return found
