"""Keys of a UDP input or destination, and the same things in the query of its URL.

The query takes the words of other programs too. What is meant for their buffers only and makes no
sense is left out with a warning, as they do; what decides about the media is refused.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from streamctl.sdk.plugin import Options
from streamctl.sdk.query import Dialect, unheard, with_query
from streamctl.sdk.transport import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.url import StreamURL

PACKET_BYTES = 188
DATAGRAM_BYTES = 7 * PACKET_BYTES
"""As many packets as fit into an Ethernet frame, with the headers of RTP, UDP and IPv6."""
MEBIBYTE = 1024 * 1024


class UdpInputOptions(TransportOptions):
    """Keys beside ``url`` of an input."""

    interface: str = ""
    """Name or address of the interface to receive by; empty = any, for multicast as routes say."""
    source: str = ""
    """The only sender that is heard; a multicast group is joined for this source alone."""
    rtp: bool = True
    """Look for RTP headers and take them off."""
    receive_buffer_bytes: int = Field(16 * MEBIBYTE, ge=65_536, le=1024 * MEBIBYTE)
    """What the kernel is asked to hold: seconds of media, if the system allows it."""

    @field_validator("source")
    @classmethod
    def address(cls, text: str) -> str:
        """An IP address, since a filter that can't be applied would let everything in."""
        if text:
            ip_address(text)
        return text


class UdpPushOptions(Options):
    """Keys beside ``url`` of a destination."""

    interface: str = ""
    """Name or address of the interface to send by; empty = as the routes say."""
    ttl: int = Field(0, ge=0, le=255)
    """How many routers may pass the datagrams on; 0 = 16 for multicast, else the system's value."""
    loopback: bool = True
    """Let receivers on this machine have multicast, too."""
    rtp: bool = False
    """Put RTP headers before the packets."""
    packet_bytes: int = Field(
        DATAGRAM_BYTES, ge=PACKET_BYTES, le=DATAGRAM_BYTES, multiple_of=PACKET_BYTES
    )
    """Media in one datagram."""
    bitrate_kbps: int = Field(0, ge=0, le=1_000_000)
    """Constant rate that null packets fill the stream up to; 0 = the rate of the media."""
    delay_ms: int = Field(200, ge=20, le=5000)
    """How long media is held, so that it can leave evenly whatever the way it comes."""


FOREIGN = frozenset(
    {
        *("broadcast", "burst_bits", "chan_buf", "connect", "localport", "overrun_nonfatal"),
        *("reuse", "reuse_socket", "timeout"),
        *("buffer_size", "fifo_size", "pkt_size", "ttl"),
    }
)
"""Words of other programs that mean nothing here, at least in this direction."""
TUNING = frozenset({"receive_buffer_bytes", "packet_bytes"})
INPUT = Dialect(
    words={
        "iface": "interface",
        "localaddr": "interface",
        "sources": "source",
        "fifo_size": "receive_buffer_bytes",
        "buffer_size": "receive_buffer_bytes",
        "recv_buffer_size": "receive_buffer_bytes",
    },
    foreign=FOREIGN,
    tuning=TUNING,
)
PUSH = Dialect(
    words={
        "iface": "interface",
        "localaddr": "interface",
        "miface": "interface",
        "pkt_size": "packet_bytes",
    },
    foreign=FOREIGN,
    tuning=TUNING,
)


def of_input(
    url: StreamURL, options: UdpInputOptions, warn: Callable[[str], None] = unheard
) -> UdpInputOptions:
    """The options of an input with those in its URL.

    Raises:
        ConfigError: the query can't be understood, or the table contradicts it.
    """
    return with_query(options, url, INPUT, beside=user_of(url), warn=warn)


def of_push(
    url: StreamURL, options: UdpPushOptions, warn: Callable[[str], None] = unheard
) -> UdpPushOptions:
    """The options of a destination with those in its URL.

    Raises:
        ConfigError: the query can't be understood, or the table contradicts it.
    """
    return with_query(options, url, PUSH, beside=user_of(url), warn=warn)


def user_of(url: StreamURL) -> list[tuple[str, str]]:
    """The interface that stands before the host."""
    # An IPv6 address has colons, as a login with a password does.
    user = f"{url.user}:{url.password}" if url.password else url.user
    return [("interface", user)] if user else []
