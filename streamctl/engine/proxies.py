"""Who is behind a reverse proxy: the client's address out of ``X-Forwarded-For``.

Anybody can send that header, so it counts only on connections from addresses that are configured,
and of its list only what such proxies wrote: it is read from its end, and the first address that
is no proxy is the client.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.config.model import Network
    from streamctl.sdk.endpoints import HttpRequest

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HEADER = "x-forwarded-for"
HOPS_MAX = 16
"""Proxies in a row that are looked through."""


class Proxies:
    """The addresses whose word about their clients is taken."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self.networks = tuple(networks)
        self._trusts = lru_cache(maxsize=256)(self._is_proxy)

    def trusts(self, ip: str) -> bool:
        """Whether this is the address of a proxy."""
        return bool(self.networks) and self._trusts(ip)

    def seen_through(self, request: HttpRequest) -> HttpRequest:
        """The request as its client sent it: with the address behind the proxy."""
        if not self.networks or HEADER not in request.headers or not self._trusts(request.ip):
            return request
        client = self._client(request.headers[HEADER], request.ip)
        return replace(request, ip=client, port=0) if client != request.ip else request

    def _client(self, header: str, ip: str) -> str:
        for text in reversed(header.split(",")[-HOPS_MAX:]):
            hop = address(text)
            if not hop:
                break
            ip = hop
            if not self._trusts(hop):
                break
        return ip

    def _is_proxy(self, ip: str) -> bool:
        try:
            known = plain(ipaddress.ip_address(ip.partition("%")[0]))
        except ValueError:
            return False
        return any(known in network for network in self.networks)


def address(text: str) -> str:
    """The address in one item of the list, which may have a port; empty if there is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(plain(ipaddress.ip_address(text)))
    except ValueError:
        return ""


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only wraps; any other as it is."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
