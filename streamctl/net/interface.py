"""Network interfaces by name or address, as the kernel numbers them."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import socket
import struct
from contextlib import suppress
from pathlib import Path

from streamctl.errors import ConnectionFailed

ADDRESSES = 0x8912
"""``SIOCGIFCONF``: every IPv4 address with its interface, secondary ones too."""
REQUEST = struct.Struct("iP")
"""``struct ifconf``."""
ENTRIES_MAX = 1024
ENTRY = struct.Struct("16sHH4s")
"""The beginning of ``struct ifreq``: name, family, port, IPv4 address."""
ENTRY_BYTES = 40 if struct.calcsize("P") == 8 else 32
IPV6_ADDRESSES = Path("/proc/net/if_inet6")


def interface_index(text: str) -> int:
    """The number of the interface with that name, or with that address.

    Raises:
        ConnectionFailed: there is none, at least now.
    """
    with suppress(OSError):
        return socket.if_nametoindex(text)
    with suppress(ValueError):
        wanted = ipaddress.ip_address(text.partition("%")[0])
        for name, address in addresses():
            if address == wanted:
                return socket.if_nametoindex(name)
    names = ", ".join(f"`{name}`" for _, name in socket.if_nameindex())
    raise ConnectionFailed(
        f"no network interface `{text}`", hint=f"name one of {names}, or give its address"
    )


def interface_address(index: int) -> str:
    """The first IPv4 address of an interface; empty if it has none."""
    name = socket.if_indextoname(index)
    return next((str(one) for owner, one in ipv4_addresses() if owner == name), "")


def addresses() -> list[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Every address of this machine with the name of its interface."""
    return [*ipv4_addresses(), *ipv6_addresses()]


def ipv4_addresses() -> list[tuple[str, ipaddress.IPv4Address]]:
    """Every IPv4 address with the name of its interface."""
    answer = array.array("B", bytes(ENTRY_BYTES * ENTRIES_MAX))
    request = REQUEST.pack(len(answer), answer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        size, _ = REQUEST.unpack(fcntl.ioctl(any_socket, ADDRESSES, request))
    found = []
    for at in range(0, size, ENTRY_BYTES):
        label, _, _, address = ENTRY.unpack_from(answer, at)
        # Secondary addresses may have a label of their own, `eth0:1`.
        name = label.partition(b"\0")[0].partition(b":")[0].decode()
        found.append((name, ipaddress.IPv4Address(address)))
    return found


def ipv6_addresses() -> list[tuple[str, ipaddress.IPv6Address]]:
    """Every IPv6 address with the name of its interface; none where IPv6 is switched off."""
    try:
        lines = IPV6_ADDRESSES.read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [(row[5], ipaddress.IPv6Address(bytes.fromhex(row[0]))) for row in fields]
