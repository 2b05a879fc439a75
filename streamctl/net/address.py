"""Listening sockets and how addresses are written.

An empty host means every interface, over IPv6 too where the machine has it, and a name all of its
addresses, as of ``localhost``; the sockets share one port, also when the kernel chooses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from streamctl.net.failure import listen_failed

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address

NAME_MAX_CHARS = 253
"""Of the name of a host (RFC 1035, section 2.3.4): to encode a longer one takes a while."""
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What binding fails with where this machine lacks the address, or IPv6 at all."""
EPHEMERAL_ATTEMPTS = 8
"""How often a free IPv4 port is drawn until the same port is free over IPv6."""


def show(address: Address) -> str:
    """The address as ``host:port``; IPv6 addresses stand in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ascii_name(host: str) -> str:
    """The name of a host as it is looked up (RFC 3490); addresses stay as they are.

    Raises:
        OSError: no host can have this name.
    """
    with contextlib.suppress(UnicodeError):
        if len(host) <= NAME_MAX_CHARS:
            return host.encode("idna").decode()
    raise socket.gaierror(socket.EAI_NONAME, "no host can have this name")


async def listening_sockets(address: Address, *, backlog: int, key: str) -> list[socket.socket]:
    """Sockets that listen on ``address``; ``key`` is the setting that holds it.

    Raises:
        ConnectionFailed: the address can't be bound.
    """
    host, port = address
    try:
        if host:
            return every_address(await resolve(host, port), backlog)
        return every_interface(port, backlog)
    except OSError as error:
        raise listen_failed(error, show(address), key) from error


async def is_this_machine(host: str) -> bool:
    """Whether a connection to ``host`` would stay on this machine; an unknown host is none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(ascii_name(host), 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return any(is_own(family, str(where[0])) for family, _, _, _, where in found)


def is_own(family: int, host: str) -> bool:
    """Whether an address is one of this machine: only those can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


async def resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """The families and numeric addresses of a local host name, IPv4 first."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(ascii_name(host), port, type=socket.SOCK_STREAM)
    known = {(family, (str(where[0]), int(where[1]))): None for family, _, _, _, where in found}
    return sorted(known, key=lambda one: one[0] != socket.AF_INET)


def every_address(
    found: list[tuple[socket.AddressFamily, tuple[str, int]]], backlog: int
) -> list[socket.socket]:
    """A socket for each of the addresses that this machine has, on the same port."""
    made: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, (host, wanted) in found:
            port = wanted or (made[0].getsockname()[1] if made else 0)
            try:
                one = one_socket(family, (host, port), backlog=backlog)
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent = error
            else:
                undo.callback(one.close)
                made.append(one)
        if absent is not None and not made:
            raise absent
        undo.pop_all()
    return made


def every_interface(port: int, backlog: int) -> list[socket.socket]:
    """One socket for IPv4 and, where available, one for IPv6, on the same port."""
    attempts = EPHEMERAL_ATTEMPTS
    while True:
        attempts -= 1
        first = one_socket(socket.AF_INET, ("", port), backlog=backlog)
        chosen = first.getsockname()[1]
        try:
            return [first, one_socket(socket.AF_INET6, ("::", chosen), backlog=backlog)]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]
            first.close()
            if port or not attempts:
                raise


def one_socket(
    family: socket.AddressFamily, where: tuple[str, int], *, backlog: int
) -> socket.socket:
    """A bound, listening, non-blocking socket."""
    with contextlib.ExitStack() as undo:
        listening = socket.socket(family, socket.SOCK_STREAM)
        undo.callback(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(where)
        listening.listen(backlog)
        listening.setblocking(False)
        undo.pop_all()
    return listening
