"""Sending datagrams: sockets for unicast and multicast, and what happened to what was sent.

Datagrams that the kernel has no room for are lost, like those that the network has none for.
Specifications: ip(7), ipv6(7), udp(7).
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.errors import ConnectionFailed
from streamctl.net.address import show
from streamctl.net.failure import connect_failed, describe
from streamctl.net.interface import interface_address, interface_index
from streamctl.net.udp_socket import bind_interface, ip_address, lookup, resolved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from streamctl.sdk.endpoints import Address

IP_INTERFACE = struct.Struct("=4s4si")
"""``struct ip_mreqn``."""

SEND_BUFFER_BYTES = 1024 * 1024
"""Media leaves at an even pace; this is for the time that the interface itself is held up."""
MULTICAST_TTL = 16
"""Enough for a network of one's own, too little to leave a continent."""

ANSWERS = 32
"""What has come back is taken in such portions."""
ANSWER_BYTES = 2048
"""Of one datagram that comes back; reports have some hundred."""

NO_ROOM = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Transmission:
    """Where datagrams are sent, and how."""

    address: Address
    interface: str = ""
    """Name or address of the interface; empty = as the routes say."""
    ttl: int = 0
    """How many routers may pass them on; 0 = 16 for multicast, else the system's value."""
    loopback: bool = True
    """Whether receivers on this machine get multicast, too."""


class UdpSender:
    """Sends datagrams to one address."""

    def __init__(self, found: socket.socket, shown: str) -> None:
        self.datagrams = 0
        self.bytes_sent = 0
        """Bytes that the kernel took, without the headers of UDP and IP."""
        self.dropped = 0
        """Datagrams that the kernel had no room for."""
        self.refused = 0
        """How often the destination said that nobody listens there."""
        self._send = found.send
        self._receive = found.recv
        self._shown = shown

    def send(self, datagrams: Iterable[bytes]) -> None:
        """Send without waiting.

        Raises:
            ConnectionFailed: the destination can't be reached any more.
        """
        for data in datagrams:
            try:
                self.bytes_sent += self._send(data)
                self.datagrams += 1
            except ConnectionRefusedError:
                self._again(data)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    text = f"can't send to `{self._shown}`: {describe(error)}"
                    raise ConnectionFailed(text) from error
                self.dropped += 1

    def answers(self) -> list[bytes]:
        """What the destination has sent back, as far as it has come."""
        found: list[bytes] = []
        for _ in range(ANSWERS):
            try:
                found.append(self._receive(ANSWER_BYTES))
            except ConnectionRefusedError:
                self.refused += 1
            except OSError:
                break
        return found

    def _again(self, data: bytes) -> None:
        """Send what was not, because an earlier datagram found nobody: one may come yet."""
        self.refused += 1
        try:
            self.bytes_sent += self._send(data)
            self.datagrams += 1
        except OSError:
            self.dropped += 1


@asynccontextmanager
async def sending(transmission: Transmission) -> AsyncIterator[UdpSender]:
    """Send datagrams for as long as the context lasts.

    Raises:
        ConnectionFailed: the destination can't be reached, now at least.
    """
    host, port = transmission.address
    transmission = replace(transmission, address=await resolved(host, port))
    with await to_thread.run_sync(sending_socket, transmission) as found:
        yield UdpSender(found, show((host, port)))


def sending_socket(transmission: Transmission) -> socket.socket:
    """A connected, non-blocking socket.

    Raises:
        ConnectionFailed: the destination can't be reached, now at least.
    """
    index = interface_index(transmission.interface) if transmission.interface else 0
    try:
        return connected_socket(transmission, index)
    except OSError as error:
        raise connect_failed(error, show(transmission.address)) from error


def connected_socket(transmission: Transmission, index: int) -> socket.socket:
    """A socket for datagrams to an address that leave by an interface, 0 = by the routes."""
    family, where = lookup(transmission.address)
    group = ip_address(where).is_multicast
    with ExitStack() as undo:
        found = socket.socket(family, socket.SOCK_DGRAM)
        undo.callback(found.close)
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if group:
            send_to_group(found, transmission, index)
        else:
            if transmission.ttl:
                set_hops(found, transmission.ttl)
            if index:
                bind_interface(found, index)
        found.connect(where)
        undo.pop_all()
    return found


def set_hops(found: socket.socket, ttl: int) -> None:
    """How many routers may pass datagrams to one host on."""
    if found.family == socket.AF_INET:
        found.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def send_to_group(found: socket.socket, transmission: Transmission, index: int) -> None:
    """Prepare a socket for multicast."""
    ttl = transmission.ttl or MULTICAST_TTL
    loopback = int(transmission.loopback)
    if found.family == socket.AF_INET:
        found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, loopback)
        if index:
            own = socket.inet_aton(interface_address(index) or "0.0.0.0")
            request = IP_INTERFACE.pack(bytes(4), own, index)
            found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
    else:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, loopback)
        if index:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
