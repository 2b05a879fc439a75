"""Keys of a UDP input or destination, and the same things in the query of its URL.

The query takes the words of other programs too. What is meant for their buffers only and makes no
sense is left out with a warning, as they do; what decides about the media is refused.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, ValidationError, field_validator

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.sdk.url import StreamURL

PACKET_BYTES = 188
DATAGRAM_BYTES = 7 * PACKET_BYTES
"""As many packets as fit into an Ethernet frame, with the headers of RTP, UDP and IPv6."""
MEBIBYTE = 1024 * 1024

Pid = Annotated[int, Field(ge=0, le=0x1FFE)]


class UdpInputOptions(Options):
    """Keys beside ``url`` of an input."""

    interface: str = ""
    """Name or address of the interface to receive by; empty = any, for multicast as routes say."""
    source: str = ""
    """The only sender that is heard; a multicast group is joined for this source alone."""
    rtp: bool = True
    """Look for RTP headers and take them off."""
    receive_buffer_bytes: int = Field(16 * MEBIBYTE, ge=65_536, le=1024 * MEBIBYTE)
    """What the kernel is asked to hold: seconds of media, if the system allows it."""
    program: int = Field(0, ge=0, le=0xFFFF)
    """Number of the program to take out of several; 0 = the first."""
    pids: tuple[Pid, ...] = ()
    """The elementary streams to keep; empty = all of the program."""

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


Model = TypeVar("Model", UdpInputOptions, UdpPushOptions)

INPUT_WORDS = {
    "iface": "interface",
    "localaddr": "interface",
    "sources": "source",
    "fifo_size": "receive_buffer_bytes",
    "buffer_size": "receive_buffer_bytes",
    "recv_buffer_size": "receive_buffer_bytes",
}
"""What other programs call our keys."""
PUSH_WORDS = {
    "iface": "interface",
    "localaddr": "interface",
    "miface": "interface",
    "pkt_size": "packet_bytes",
}
TUNING = frozenset({"receive_buffer_bytes", "packet_bytes"})
"""Keys whose values are left out of the query if they make no sense."""
FOREIGN = frozenset(
    {
        *("broadcast", "burst_bits", "chan_buf", "connect", "localport", "overrun_nonfatal"),
        *("reuse", "reuse_socket", "timeout"),
        *("buffer_size", "fifo_size", "pkt_size", "ttl"),
    }
)
"""Words of other programs that mean nothing here, at least in this direction."""


def of_input(url: StreamURL, options: UdpInputOptions, warn: Callable[[str], None]) -> Any:
    """The options of an input, overridden by its URL.

    Raises:
        ConfigError: the query holds what can't be understood.
    """
    return overridden(url, options, INPUT_WORDS, warn)


def of_push(url: StreamURL, options: UdpPushOptions, warn: Callable[[str], None]) -> Any:
    """The options of a destination, overridden by its URL.

    Raises:
        ConfigError: the query holds what can't be understood.
    """
    return overridden(url, options, PUSH_WORDS, warn)


def overridden(
    url: StreamURL, options: Model, words: Mapping[str, str], warn: Callable[[str], None]
) -> Model:
    """Options with what the URL says instead."""
    values = options.model_dump()
    if url.user:
        # An IPv6 address has colons, as a login with a password does.
        values["interface"] = f"{url.user}:{url.password}" if url.password else url.user
    for name, text in url.query:
        key = words.get(name, name)
        if key not in values:
            if name not in FOREIGN:
                warn(f"`{name}` in `{url.redacted}` is unknown and left out")
            continue
        tried = values | {key: text.split(",") if key == "pids" else text}
        try:
            values = type(options).model_validate(tried).model_dump()
        except ValidationError as error:
            reason = error.errors()[0]["msg"].lower()
            if key not in TUNING:
                raise ConfigError(f"in `{url.redacted}`, `{name}`: {reason}") from None
            warn(f"`{name}` in `{url.redacted}` is left out: {reason}")
    return type(options).model_validate(values)
