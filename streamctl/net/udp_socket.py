"""Sockets that receive media: unicast, multicast from anybody, and multicast from one source.

Everything here is done once per attempt and may look names up, so it belongs into a thread of its
own. Specifications: RFC 3678 (joining, for both families alike), socket(7), ip(7), ipv6(7).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.net.address import ascii_name, show
from streamctl.net.failure import describe, listen_failed
from streamctl.net.interface import interface_index

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address

    IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
    Where = tuple[str, int] | tuple[str, int, int, int]

MCAST_JOIN_GROUP = 42
MCAST_JOIN_SOURCE_GROUP = 46
IP_MULTICAST_ALL = 49
IPV6_MULTICAST_ALL = 29
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
MEMINFO = struct.Struct("9I")
DROPS = 8
"""Where the kernel counts what it could not keep, in its answer to ``SO_MEMINFO``."""

STORAGE_BYTES = 128
"""``struct sockaddr_storage``."""
GROUP = struct.Struct(f"I0L{STORAGE_BYTES}s")
"""``struct group_req``."""
GROUP_SOURCE = struct.Struct(f"I0L{STORAGE_BYTES}s{STORAGE_BYTES}s")
"""``struct group_source_req``."""

NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
NO_ROUTE = frozenset({errno.ENODEV, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class Reception:
    """Where datagrams are taken from."""

    address: Address
    """A multicast group, or an address of this machine; an empty host is all of them."""
    interface: str = ""
    """Name or address of the interface; empty = as the routes say, or any."""
    sender: str = ""
    """The only address whose datagrams are taken; empty = all."""
    buffer_bytes: int = 16 * 1024 * 1024
    """What the kernel is asked to hold while nobody reads."""


def ip_address(where: Where) -> IpAddress:
    """The address in the result of a look-up."""
    return ipaddress.ip_address(str(where[0]).partition("%")[0])


async def resolved(host: str, port: int) -> Address:
    """The numeric form of an address.

    Raises:
        ConnectionFailed: an unknown host.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(ascii_name(host), port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ConnectionFailed(f"`{host}`: {describe(error)}") from error
    where = found[0][4]
    scope = f"%{where[3]}" if len(where) == 4 and where[3] else ""
    return f"{str(where[0]).partition('%')[0]}{scope}", port


def lookup(address: Address) -> tuple[int, Where]:
    """Family and numeric form of an address.

    Raises:
        OSError: an unknown host.
    """
    host, port = address
    found = socket.getaddrinfo(ascii_name(host), port, type=socket.SOCK_DGRAM)
    family, _, _, _, where = found[0]
    return family, where  # type: ignore[return-value] # of the internet families only


def receiving_socket(reception: Reception) -> socket.socket:
    """A bound, non-blocking socket that has joined its group.

    Raises:
        ConnectionFailed: the address can't be used, now at least.
    """
    shown = show(reception.address)
    index = interface_index(reception.interface) if reception.interface else 0
    try:
        if reception.address[0]:
            return bound_socket(reception, index)
        return bound_everywhere(reception, index)
    except OSError as error:
        if error.errno in NO_ROUTE and not index and is_group(reception.address[0]):
            raise ConnectionFailed(
                f"can't receive `{shown}`: {describe(error)}",
                hint="no route says which network it is in: name the `interface`",
            ) from error
        raise listen_failed(error, shown, "url") from error


def is_group(host: str) -> bool:
    """Whether a host is written as the address of a multicast group."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_multicast
    except ValueError:
        return False


def bound_everywhere(reception: Reception, index: int) -> socket.socket:
    """A socket for both families, or for IPv4 where that is all there is."""
    port = reception.address[1]
    try:
        return bound_socket(replace(reception, address=("::", port)), index)
    except OSError as error:
        if error.errno not in NO_IPV6:
            raise
    return bound_socket(replace(reception, address=("0.0.0.0", port)), index)


def bound_socket(reception: Reception, index: int) -> socket.socket:
    """A socket for datagrams to an address that come in by an interface, 0 = any."""
    family, where = lookup(reception.address)
    group = ip_address(where).is_multicast
    with ExitStack() as undo:
        found = socket.socket(family, socket.SOCK_DGRAM)
        undo.callback(found.close)
        found.setblocking(False)
        set_receive_buffer(found, reception.buffer_bytes)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if group else 0)
        if group:
            # Others on this machine may receive the same group.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            only_joined(found)
            if len(where) == 4:
                index = index or where[3]
                where = (where[0], where[1], 0, index)
            found.bind(where)
            join(found, where, index, reception.sender)
        else:
            if index:
                bind_interface(found, index)
            found.bind(where)
        undo.pop_all()
    return found


def only_joined(found: socket.socket) -> None:
    """Take no datagrams of groups, or by interfaces, that others on this machine have joined."""
    if found.family == socket.AF_INET:
        found.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
    else:
        found.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)


def join(found: socket.socket, group: Where, index: int, sender: str) -> None:
    """Join a group, or what one source sends to it."""
    level = socket.IPPROTO_IP if found.family == socket.AF_INET else socket.IPPROTO_IPV6
    if sender:
        source = storage(ipaddress.ip_address(sender))
        request = GROUP_SOURCE.pack(index, storage(ip_address(group)), source)
        found.setsockopt(level, MCAST_JOIN_SOURCE_GROUP, request)
    else:
        request = GROUP.pack(index, storage(ip_address(group)))
        found.setsockopt(level, MCAST_JOIN_GROUP, request)


def storage(address: IpAddress) -> bytes:
    """``struct sockaddr_in`` or ``sockaddr_in6`` of an address, without a port."""
    if address.version == 4:
        return struct.pack("=HH4s", socket.AF_INET, 0, address.packed)
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, address.packed, 0)


def bind_interface(found: socket.socket, index: int) -> None:
    """Let a socket use one interface only."""
    name = socket.if_indextoname(index).encode()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)


def set_receive_buffer(found: socket.socket, size: int) -> None:
    """Ask for a receive buffer, beyond the system's limit if we may."""
    try:
        found.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
    except OSError:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def receive_buffer(found: socket.socket) -> int:
    """The receive buffer that a socket has; the kernel says twice of what it was asked for."""
    return found.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def kernel_drops(found: socket.socket) -> int:
    """Datagrams that arrived and found the receive buffer full, or were damaged."""
    answer = found.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
    return int(MEMINFO.unpack(answer)[DROPS]) if len(answer) == MEMINFO.size else 0
