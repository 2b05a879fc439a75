"""Sockets on local addresses, and why one can't be had."""

from __future__ import annotations

import errno
import ipaddress
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed
from streamctl.net.address import show
from streamctl.net.failure import listen_failed
from streamctl_srt.constants import Option
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.library import SrtError

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address
    from streamctl_srt.library import Library
    from streamctl_srt.settings import Settings

EVERY_IPV4 = "0.0.0.0"
EVERY_IPV6 = "::"
NOT_SUPPORTED = 5
"""libsrt's thousand for what can't be done, here with an address that this process has already."""


async def numeric(address: Address, key: str) -> Address:
    """The address with a number for its host; ``key`` is the setting that errors name.

    Raises:
        ConnectionFailed: the host is not known.
    """
    host, port = address
    if not host or is_numeric(host):
        return address
    try:
        found = await anyio.getaddrinfo(host, port)
    except OSError as error:
        raise listen_failed(error, show(address), key) from error
    return str(found[0][4][0]), port


def is_numeric(host: str) -> bool:
    """Whether a host is an IP address: then nobody has to be asked for one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def bound(library: Library, address: Address, settings: Settings, key: str) -> Endpoint:
    """A socket on an address; without a host on every interface, over IPv6 too if there is any.

    Raises:
        ConnectionFailed: the address can't be bound.
        SrtError: a setting is not allowed.
    """
    host, port = address
    if host:
        return one(library, address, settings, key)
    try:
        return one(library, (EVERY_IPV6, port), settings, key)
    except ConnectionFailed:
        return one(library, (EVERY_IPV4, port), settings, key)


def one(library: Library, address: Address, settings: Settings, key: str) -> Endpoint:
    """A bound socket.

    Raises:
        ConnectionFailed: the address can't be bound.
        SrtError: a setting is not allowed.
    """
    endpoint = Endpoint(library)
    try:
        settings.apply(endpoint)
        # libsrt would share the address between sockets of one process.
        endpoint.set(Option.REUSEADDR, 0)
        if address[0] == EVERY_IPV6:
            endpoint.set(Option.IPV6ONLY, 0)
        bind(endpoint, address, key)
    except BaseException:
        endpoint.close()
        raise
    return endpoint


def bind(endpoint: Endpoint, address: Address, key: str) -> None:
    """Bind a socket.

    Raises:
        ConnectionFailed: the address can't be bound.
    """
    try:
        endpoint.bind(address)
    except SrtError as error:
        number = error.system
        if error.number // 1000 == NOT_SUPPORTED:
            number = errno.EADDRINUSE
        if not number:
            raise ConnectionFailed(f"can't listen on `{show(address)}`: {error.text}") from error
        raise listen_failed(OSError(number, ""), show(address), key) from error
