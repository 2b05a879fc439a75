"""Addresses to listen on, as they stand in the configuration: ``HOST:PORT``.

::

    :1935   every interface        127.0.0.1:9997   one address       [::1]:80   IPv6
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

MAX_PORT = 65_535


class Address(NamedTuple):
    """A host and a port to bind; an empty host means every interface, port 0 any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``HOST:PORT``.

        Raises:
            ValueError: not an address, with a sentence that says how to write one.
        """
        host, colon, digits = text.strip().rpartition(":")
        if not colon or not (digits.isascii() and digits.isdigit()):
            raise ValueError("write `HOST:PORT` or `:PORT`")
        port = int(digits)
        if port > MAX_PORT:
            raise ValueError(f"a port is at most {MAX_PORT}")
        if host.startswith("[") and host.endswith("]"):
            return cls(str(ipaddress.IPv6Address(host[1:-1])), port)
        if ":" in host:
            raise ValueError("write an IPv6 address in brackets, such as `[::1]:80`")
        return cls(host, port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
