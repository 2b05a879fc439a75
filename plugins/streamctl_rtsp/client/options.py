"""Keys of inputs that are pulled over RTSP, and of destinations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options
from streamctl.sdk.transport import TransportOptions
from streamctl_rtsp.client.upstream import Upstream

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL

MEBIBYTE = 1024 * 1024

KINDS = {
    "auto": ("tcp", "udp", "multicast"),
    "tcp": ("tcp",),
    "udp": ("udp",),
    "multicast": ("multicast",),
    "http": ("tcp",),
}
"""What a server is asked for, in this order, by the key ``transport``. TCP is the first: nothing
is lost on it, and no address translation on the way stops it."""
InputTransport = Literal["auto", "tcp", "udp", "multicast", "http"]
PushTransport = Literal["auto", "tcp", "udp", "http"]


class ClientOptions(Options):
    """Keys that both have."""

    tls_ca: Path | None = None
    """Certificates in PEM that are trusted beside those of the system."""
    tls_insecure: bool = False
    """Take any certificate of any host: whoever sits between can read and change everything."""


class InputOptions(ClientOptions, TransportOptions):
    """Keys beside ``url`` of an input that is pulled."""

    transport: InputTransport = "auto"
    """How media travels: ``auto`` takes the first of tcp, udp and multicast that the server has."""
    interface: str = ""
    """Name or address of the interface that multicast is received by; empty = as routes say."""
    receive_buffer_bytes: int = Field(4 * MEBIBYTE, ge=65_536, le=1024 * MEBIBYTE)
    """What the kernel is asked to hold of each track over UDP, if the system allows it."""


class PushOptions(ClientOptions):
    """Keys beside ``url`` of a destination."""

    transport: PushTransport = "auto"
    """How media travels: ``auto`` takes the first of tcp and udp that the server has."""


def destination_of(url: StreamURL, transport: str) -> tuple[Upstream, tuple[str, ...]]:
    """Where a URL leads, and what may be asked for there.

    Raises:
        ConfigError: the URL names no host, or the transport does not go with it.
    """
    upstream = Upstream.of(url, tunnel=transport == "http")
    kinds = KINDS[transport]
    if not upstream.secure and not upstream.tunnel:
        return upstream, kinds
    if "tcp" not in kinds or (upstream.tunnel and transport == "tcp"):
        way = "through HTTP" if upstream.tunnel else "over TLS"
        raise ConfigError(
            f"`{url.redacted}` leads {way}, which `{transport}` can't be used with",
            key="transport",
            hint="leave out `transport`",
        )
    return upstream, ("tcp",)
