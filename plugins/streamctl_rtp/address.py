"""Where an ``rtp`` URL leads.

Grammar::

    rtp://HOST:PORT[?OPTION=VALUE&…]     a multicast group, or an address of this machine
    rtp://:PORT | rtp://@:PORT           every address of this machine
    rtp://HOST | rtp://:                 with a description that names the ports
    rtp://                               at the listener, by ``ssrc`` and ``from``
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
