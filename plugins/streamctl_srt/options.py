"""Keys of the srt plugin in ``streams.toml``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from streamctl.sdk.plugin import Options
from streamctl.sdk.secret import Secret
from streamctl.sdk.transport import TransportOptions
from streamctl_srt.constants import (
    MAX_PASSPHRASE,
    MAX_PAYLOAD_BYTES,
    MAX_STREAM_ID_BYTES,
    MIN_PASSPHRASE,
)

TS_PACKET = 188
MAX_LATENCY_MS = 30_000
"""Longer, and somebody has written microseconds."""


def passphrase(value: SecretStr) -> SecretStr:
    """Refuse what libsrt would refuse."""
    size = len(value.get_secret_value().encode())
    if not MIN_PASSPHRASE <= size <= MAX_PASSPHRASE:
        raise ValueError(f"a passphrase has {MIN_PASSPHRASE} to {MAX_PASSPHRASE} characters")
    return value


def whole_packets(value: int) -> int:
    """Refuse datagrams that would cut MPEG-TS packets apart."""
    if value % TS_PACKET:
        raise ValueError(f"write a multiple of {TS_PACKET}, the size of a packet of MPEG-TS")
    return value


def stream_id(value: str) -> str:
    """Refuse stream ids that a handshake has no room for."""
    size = len(value.encode())
    if size > MAX_STREAM_ID_BYTES:
        raise ValueError(f"a stream id has {MAX_STREAM_ID_BYTES} bytes at most, this has {size}")
    return value


Passphrase = Annotated[Secret, AfterValidator(passphrase)]
Latency = Annotated[int, Field(ge=1, le=MAX_LATENCY_MS)]
PacketBytes = Annotated[
    int, Field(ge=TS_PACKET, le=MAX_PAYLOAD_BYTES), AfterValidator(whole_packets)
]
Bandwidth = Annotated[int, Field(ge=0, le=10_000_000)]
IdleTime = Annotated[float, Field(ge=0.5, le=600, allow_inf_nan=False)]
KeyLength = Literal[0, 128, 192, 256]
StreamIdText = Annotated[str, AfterValidator(stream_id)]


class LinkOptions(Options):
    """What every SRT connection has."""

    latency_ms: Latency = 120
    """How long lost packets may take to be sent again; the larger value of both sides counts."""
    packet_bytes: PacketBytes = 1316
    """What one datagram carries."""
    peer_idle_s: IdleTime = 5.0
    """A peer that is silent this long is gone."""
    max_bandwidth_kbps: Bandwidth = 0
    """What may be sent at most, retransmissions included; 0 = no limit."""
    input_bandwidth_kbps: Bandwidth = 0
    """The rate of the media: it and ``overhead_pct`` of it may be sent; 0 = no limit."""
    overhead_pct: Annotated[int, Field(ge=5, le=100)] = 25
    """Room for retransmissions above ``input_bandwidth_kbps``."""
    key_length: KeyLength = 0
    """Bits of the AES key: 128, 192 or 256; 0 = the caller's choice, or 128."""


class ListenerOptions(LinkOptions):
    """Keys of ``[listeners.srt]`` beside ``address``."""

    keeps_peers: ClassVar[bool] = True
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Publishers and viewers at the same time."""


class OutputOptions(Options):
    """Keys of ``[streams.<code>.srt]``: they concern the stream on the SRT port."""

    live: ClassVar[frozenset[str]] = frozenset(
        {"publish_passphrase", "read_passphrase", "latency_ms"}
    )
    publish_passphrase: Passphrase | None = None
    """What publishers encrypt with; None = not encrypted."""
    read_passphrase: Passphrase | None = None
    """What viewers decrypt with; None = not encrypted."""
    latency_ms: Latency | None = None
    """None = as the listener says."""


class PushOptions(LinkOptions):
    """Keys of a destination beside those of every push."""

    passphrase: Passphrase | None = None
    stream_id: StreamIdText = ""
    connect_timeout_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 3.0
    """How long a handshake may take."""


class InputOptions(PushOptions, TransportOptions):
    """Keys beside ``url`` of an input."""
