"""Datagrams together with who has sent them, for ports where several peers are heard and answered.

The reading thread hands over many at once; names are ``struct sockaddr_in`` or ``sockaddr_in6`` as
the kernel writes them, which is enough to tell peers apart.
"""

from __future__ import annotations

import socket
import sys
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from streamctl.net.datagrams import NAME_BYTES
from streamctl.net.udp import SIZE_BYTES, NamedReceiver, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from streamctl.net.udp import Receiver
    from streamctl.net.udp_socket import Reception
    from streamctl.sdk.endpoints import Address

    Named = tuple[bytes, memoryview]
    """The name of a sender and its datagram."""

HEAD_BYTES = NAME_BYTES + SIZE_BYTES


@asynccontextmanager
async def receiving_named(
    reception: Reception, take: Callable[[Iterator[Named]], None]
) -> AsyncIterator[Receiver]:
    """Receive datagrams for as long as the context lasts; ``take`` gets those that came together.

    An exception of ``take`` ends the receiver.

    Raises:
        ConnectionFailed: the address can't be used, now at least.
    """

    def deliver(data: bytes) -> None:
        take(named(data))

    async with receiving(reception, nothing, deliver, kind=NamedReceiver) as receiver:
        yield receiver


def nothing(slots: Sequence[memoryview], sizes: Sequence[int]) -> bytes:
    """Stands for what a receiver of names does itself."""
    del slots, sizes
    return b""


def named(data: bytes) -> Iterator[Named]:
    """The datagrams in what the thread has joined; views of it."""
    view = memoryview(data)
    at, end = 0, len(data)
    while at < end:
        begin = at + HEAD_BYTES
        name = data[at : at + NAME_BYTES]
        at = begin + (data[begin - 2] << 8 | data[begin - 1])
        yield name, view[begin:at]


def address_of(name: bytes) -> Address:
    """Host and port in a name; IPv4 that came by an IPv6 socket is IPv4."""
    family = int.from_bytes(name[:2], sys.byteorder)
    port = name[2] << 8 | name[3]
    if family == socket.AF_INET:
        return str(IPv4Address(name[4:8])), port
    host = IPv6Address(name[8:24])
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped), port
    scope = int.from_bytes(name[24:28], sys.byteorder)
    return f"{host}%{scope}" if scope else str(host), port
