"""Where an ``rtp`` URL leads.

Grammar::

    rtp://HOST:PORT[?OPTION=VALUE&…]     a multicast group, or an address of this machine
    rtp://:PORT | rtp://@:PORT           every address of this machine
    rtp://HOST | rtp://:                 with a description that names the ports
    rtp://                               at the listener, by ``ssrc`` and ``from``

A destination is ``rtp://HOST:PORT``: the first track goes there, its reports to the next port, and
the second track to the one behind that.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.url import StreamURL
    from streamctl_rtp.options import RtpInputOptions

DESTINATION_HINT = "write `rtp://HOST:PORT`; a second track goes to PORT + 2"
LAST_PORT = 65_534
"""The reports of a track go to the next one."""
HINT = "write `rtp://:PORT`, `rtp://GROUP:PORT`, or `rtp://` with `ssrc` or `from`"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an input receives."""

    address: Address
    """Host and port; an empty host is every address, port 0 is for the description to tell."""
    shared: bool
    """At the listener, with others."""


def place(url: StreamURL, options: RtpInputOptions) -> Place:
    """Where an input receives.

    Raises:
        ConfigError: the URL and its options don't tell, or contradict each other.
    """
    if url.path.strip("/") or url.user or url.password:
        raise ConfigError(f"`{url.redacted}` is not one address", hint=HINT)
    chosen = bool(options.ssrc or options.sender)
    if chosen:
        if url.host or url.port:
            raise ConfigError(
                f"`{url.redacted}` has a port of its own: `ssrc` and `from` choose at the listener",
                hint="write `rtp://`, or `source` for the only sender that is heard",
            )
        return Place(("", 0), shared=True)
    if not url.port and not options.sdp:
        raise ConfigError(f"no port in `{url.redacted}`", hint=HINT)
    check_source(url, options.source)
    return Place((url.host, url.port), shared=False)


def destination(url: StreamURL) -> Address:
    """Host and port that the first track is sent to.

    Raises:
        ConfigError: the URL is not one address.
    """
    if url.path.strip("/") or url.user or url.password:
        raise ConfigError(f"`{url.redacted}` is not one address", hint=DESTINATION_HINT)
    if not url.host or not url.port:
        missing = "port" if url.host else "host"
        raise ConfigError(f"no {missing} in `{url.redacted}`", hint=DESTINATION_HINT)
    if url.port > LAST_PORT:
        raise ConfigError(
            f"no port is left behind that of `{url.redacted}`, where the reports go",
            hint=DESTINATION_HINT,
        )
    return url.host, url.port


def check_source(url: StreamURL, source: str) -> None:
    """Refuse a sender that can't send to the URL.

    Raises:
        ConfigError: one is IPv4, the other IPv6.
    """
    try:
        host = ip_address(url.host.partition("%")[0])
    except ValueError:
        return
    if source and ip_address(source).version != host.version and not host.is_unspecified:
        raise ConfigError(
            f"`{source}` can't send to `{url.redacted}`: one is IPv4, the other IPv6", key="source"
        )
