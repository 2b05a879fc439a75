"""Keys of an RTP input and of the listener, and the same things in the query of a URL."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer, field_validator

from streamctl.sdk.plugin import Options
from streamctl.sdk.query import Dialect, unheard, with_query
from streamctl.sdk.transport import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.url import StreamURL

MEBIBYTE = 1024 * 1024
MAX_SSRC = 0xFFFF_FFFF
PLACEHOLDER = re.compile(r"\{[^}]*\}")
PLACEHOLDERS: frozenset[str] = frozenset({"{ssrc}", "{ip}"})


def source_number(value: Any) -> Any:
    """An SSRC from its text, which may be hexadecimal: ``0x1a2b3c4d``."""
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            raise ValueError("write a number, such as `0x1a2b3c4d`") from None
    if isinstance(value, bool):
        raise ValueError("write a number, such as `0x1a2b3c4d`")
    return value


def several(value: Any) -> Any:
    """One value, or those of a list; a text has commas between them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list | tuple) else [value]


def network(value: Any) -> Any:
    """A network, or a single address, from its text."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError("write an address, or a network such as `10.0.0.0/8`")
    return ip_network(value)


def a_file(text: str) -> str:
    """The URL of a file: descriptions are long."""
    if text and not text.startswith("file:"):
        raise ValueError("write `file:PATH`")
    return text


def shown(networks: tuple[IPv4Network | IPv6Network, ...]) -> list[str]:
    """Networks as texts."""
    return [str(one) for one in networks]


Ssrc = Annotated[int, BeforeValidator(source_number), Field(ge=0, le=MAX_SSRC)]
Ssrcs = Annotated[tuple[Ssrc, ...], BeforeValidator(several)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]
Networks = Annotated[
    tuple[Network, ...], BeforeValidator(several), PlainSerializer(shown, return_type=list[str])
]
WaitMs = Annotated[int, Field(ge=0, le=2000)]
BufferBytes = Annotated[int, Field(ge=65_536, le=1024 * MEBIBYTE)]


class RtpInputOptions(TransportOptions):
    """Keys beside ``url`` of an input."""

    sdp: str = ""
    """File with the session description, as ``file:PATH``; empty = the packets tell."""
    ssrc: Ssrcs = ()
    """Sources of an input at the listener: one number, or a list of them."""
    sender: Networks = Field((), validation_alias=AliasChoices("from", "sender"))
    """Addresses and networks that an input at the listener takes; empty = any."""
    interface: str = ""
    """Name or address of the interface to receive by; empty = any, for multicast as routes say."""
    source: str = ""
    """The only sender that is heard; a multicast group is joined for this source alone."""
    reorder_ms: WaitMs = 100
    """How long packets wait for one that is missing before them."""
    receive_buffer_bytes: BufferBytes = 16 * MEBIBYTE
    """What the kernel is asked to hold: seconds of media, if the system allows it."""

    _a_file = field_validator("sdp")(a_file)

    @field_validator("source")
    @classmethod
    def address(cls, text: str) -> str:
        """An IP address, since a filter that can't be applied would let everything in."""
        if text:
            ip_address(text)
        return text


class RtpPushOptions(Options):
    """Keys beside ``url`` of a destination."""

    sdp: str = ""
    """File that the session description is written to, as ``file:PATH``; empty = none."""
    interface: str = ""
    """Name or address of the interface to send by; empty = as the routes say."""
    ttl: int = Field(0, ge=0, le=255)
    """How many routers may pass the datagrams on; 0 = 16 for multicast, else the system's value."""
    loopback: bool = True
    """Let receivers on this machine have multicast, too."""

    _a_file = field_validator("sdp")(a_file)


class RtpListenerOptions(Options):
    """Keys of ``[listeners.rtp]`` beside ``address``."""

    rtcp_port: int = Field(0, ge=0, le=65_535)
    """Port of the reports; 0 = the one after that of ``address``."""
    stream: str = ""
    """Which stream a sender publishes that no input waits for: a code, in which ``{ssrc}`` and
    ``{ip}`` stand for the sender; empty = it is not taken."""
    timeout_s: float = Field(10.0, gt=0, le=3600)
    """A sender that is silent for so long is gone."""
    max_senders: int = Field(256, ge=1, le=10_000)
    """Sources that are received at the same time."""
    reorder_ms: WaitMs = 100
    """How long packets wait for one that is missing before them."""
    receive_buffer_bytes: BufferBytes = 16 * MEBIBYTE
    """What the kernel is asked to hold."""

    @field_validator("stream")
    @classmethod
    def placeholders(cls, text: str) -> str:
        """Only what is known of a sender."""
        unknown = set(PLACEHOLDER.findall(text)) - PLACEHOLDERS
        if unknown:
            raise ValueError(f"`{min(unknown)}` is none of `{{ssrc}}` and `{{ip}}`")
        return text


DIALECT = Dialect(
    words={
        "from": "sender",
        "iface": "interface",
        "localaddr": "interface",
        "sources": "source",
        "buffer_size": "receive_buffer_bytes",
        "recv_buffer_size": "receive_buffer_bytes",
    },
    foreign=frozenset({"connect", "dscp", "pkt_size", "reuse", "timeout", "ttl"}),
    tuning=frozenset({"receive_buffer_bytes"}),
)


PUSH = Dialect(
    words={"iface": "interface", "localaddr": "interface", "miface": "interface"},
    foreign=frozenset({"buffer_size", "connect", "dscp", "pkt_size", "reuse", "timeout"}),
)


def of_push(
    url: StreamURL, options: RtpPushOptions, warn: Callable[[str], None] = unheard
) -> RtpPushOptions:
    """The options of a destination with those in its URL.

    Raises:
        ConfigError: the query can't be understood, or the table contradicts it.
    """
    return with_query(options, url, PUSH, warn=warn)


def of_input(
    url: StreamURL, options: RtpInputOptions, warn: Callable[[str], None] = unheard
) -> RtpInputOptions:
    """The options of an input with those in its URL.

    Raises:
        ConfigError: the query can't be understood, or the table contradicts it.
    """
    return with_query(options, url, DIALECT, warn=warn)
