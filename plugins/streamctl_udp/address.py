"""Where a ``udp`` URL leads: one address and one port.

Grammar::

    udp://[INTERFACE@]HOST:PORT[?OPTION=VALUE&…]
    udp://:PORT | udp://@:PORT          every address of this machine, for inputs

HOST is a multicast group, or a host; as an input, an address of this machine.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.url import StreamURL

RANGE = re.compile(r"[0-9a-f:.]+[-/*][0-9a-f:.]*", re.IGNORECASE)


def address(url: StreamURL) -> Address:
    """Host and port of a URL; an empty host is every address of this machine.

    Raises:
        ConfigError: no port, a path, or more than one address.
    """
    if url.path.strip("/") or RANGE.fullmatch(url.host):
        raise ConfigError(
            f"`{url.redacted}` is not one address",
            hint="write `udp://HOST:PORT`, and one input or destination for each address",
        )
    if not url.port:
        raise ConfigError(
            f"no port in `{url.redacted}`", hint=f"write `udp://{url.host or '@'}:PORT`"
        )
    return url.host, url.port


def sender(url: StreamURL, source: str) -> str:
    """The only sender that is heard at a URL; empty = all are.

    Raises:
        ConfigError: it can't send there.
    """
    try:
        host = ip_address(url.host.partition("%")[0])
    except ValueError:
        return source
    if source and ip_address(source).version != host.version and not host.is_unspecified:
        raise ConfigError(
            f"`{source}` can't send to `{url.redacted}`: one is IPv4, the other IPv6", key="source"
        )
    return source


def destination(url: StreamURL) -> Address:
    """Host and port to send to.

    Raises:
        ConfigError: no host, no port, a path, or more than one address.
    """
    where = address(url)
    if not url.host:
        raise ConfigError(f"no host in `{url.redacted}`", hint=f"write `udp://HOST:{url.port}`")
    return where
