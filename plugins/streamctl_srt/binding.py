"""Sockets on local addresses, and why one can't be had."""

from __future__ import annotations

import errno
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

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
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
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


@dataclass(frozen=True, slots=True)
class Binding:
    """How to listen: on which address, and who is asked about callers."""

    address: Address
    """With a number for its host; without one on every interface, over IPv6 too if there is any."""
    settings: Settings
    callback: object
    """In the form that libsrt calls."""
    key: str
    """The setting that errors name."""

    def listen(self, library: Library) -> Endpoint:
        """A socket that listens.

        Raises:
            ConnectionFailed: the address can't be had.
            SrtError: a setting is not allowed.
        """
        host, port = self.address
        try:
            if host:
                return self._listen(library, self.address)
            try:
                return self._listen(library, (EVERY_IPV6, port))
            except OSError as error:
                if error.errno not in NO_IPV6:
                    raise
            return self._listen(library, (EVERY_IPV4, port))
        except OSError as error:
            raise listen_failed(error, show(self.address), self.key) from error

    def _listen(self, library: Library, address: Address) -> Endpoint:
        endpoint = Endpoint(library)
        try:
            self.settings.apply(endpoint)
            if address[0] == EVERY_IPV6:
                endpoint.set(Option.IPV6ONLY, 0)
            endpoint.keeps = self.callback
            library.srt_listen_callback(endpoint.number, self.callback, None)
            bind(endpoint, address)
        except BaseException:
            endpoint.close()
            raise
        return endpoint


def bind(endpoint: Endpoint, address: Address) -> None:
    """Bind and listen. libsrt shares addresses, also with sockets that are being closed.

    Raises:
        OSError: the address can't be had.
    """
    try:
        endpoint.bind(address)
        endpoint.listen()
    except SrtError as error:
        taken = error.number // 1000 == NOT_SUPPORTED
        number = errno.EADDRINUSE if taken else error.system or errno.EADDRNOTAVAIL
        raise OSError(number, error.text) from error
