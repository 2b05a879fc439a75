"""Keys of the listeners in ``streams.toml``."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from streamctl.sdk.plugin import Options


def network(value: Any) -> Any:
    """Read a network, or a single address, from its text."""
    if value is None or isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError("write a network in quotes")
    return ip_network(value)


def groups(value: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Refuse what are no addresses of groups."""
    if not value.is_multicast:
        raise ValueError("write a network of multicast groups, such as `239.0.113.0/24`")
    return value


Groups = Annotated[IPv4Network | IPv6Network, BeforeValidator(network), AfterValidator(groups)]


class ListenerOptions(Options):
    """Keys of ``[listeners.rtsp]`` beside ``address``."""

    keeps_peers: ClassVar[bool] = True
    session_timeout_s: int = Field(default=60, ge=5, le=3600)
    """How long a session lives without a sign of its client; announced to it."""
    udp: bool = True
    """Whether media may travel over UDP; otherwise it stays inside the connection."""
    multicast: Groups | None = None
    """The groups that streams are sent to on request, one each; none = on no request."""
    multicast_port: int = Field(default=8002, ge=1024, le=65_000, multiple_of=2)
    """The first of two ports per track, on each group."""
    multicast_ttl: int = Field(default=16, ge=1, le=255)
    interface: str = ""
    """Name or address of the interface that multicast leaves by; empty = as the routes say."""


class TlsListenerOptions(Options):
    """Keys of ``[listeners.rtsps]`` beside ``address``."""

    keeps_peers: ClassVar[bool] = True
    tls_cert: Path
    """Certificate chain in PEM; loaded again when the file changes."""
    tls_key: Path
    """Private key in PEM, without a password."""
    session_timeout_s: int = Field(default=60, ge=5, le=3600)
    """How long a session lives without a sign of its client; announced to it."""


AnyOptions = ListenerOptions | TlsListenerOptions
