"""From configuration and URLs to the options of a socket."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from streamctl_srt.constants import Option
from streamctl_srt.query import KBPS_BYTES, merged, plain_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.url import StreamURL
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.options import LinkOptions, PushOptions

NO_LIMIT = -1
DATAGRAM_BYTES = 1500
BUFFER_BYTES = 12_288_000
"""What a side holds of a connection in either direction at least: libsrt's own 8192 datagrams."""
BUFFER_MAX_BYTES = 201_326_592
RATE_FORESEEN = 12_500_000
"""Bytes per second that buffers are made for: 100 Mbit/s."""
UDP_BYTES = 16_777_216
"""What the kernel is asked to hold of what arrives; it gives what the system allows. What is sent
keeps libsrt's 64 KiB: more would stand before a slow line and use up the latency."""
REORDERED = 128
"""By how many datagrams one may come late, where some do, before it is asked for again."""
WINDOW = 25_600
"""Datagrams under way at most, libsrt's own value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set on a socket."""

    latency_ms: int = 120
    packet_bytes: int = 1316
    peer_idle_s: float = 5.0
    max_bandwidth_kbps: int = 0
    input_bandwidth_kbps: int = 0
    overhead_pct: int = 25
    key_length: int = 0
    passphrase: str = ""
    stream_id: str = ""
    connect_timeout_s: float = 3.0
    plain: tuple[tuple[Option, int | str], ...] = ()
    """Options that libsrt alone judges."""

    @classmethod
    def of(cls, options: LinkOptions) -> Settings:
        """What a table says."""
        names = {field.name for field in fields(cls)} - {"passphrase"}
        found = cls(**{name: value for name, value in options if name in names})
        secret = getattr(options, "passphrase", None)
        return replace(found, passphrase=secret.get_secret_value()) if secret else found

    @classmethod
    def of_url(cls, url: StreamURL, options: PushOptions) -> Settings:
        """What a URL and the table beside it say.

        Raises:
            ConfigError: a key of the URL is not known, its value is none, or the table has another.
        """
        return replace(cls.of(merged(url, options)), plain=tuple(plain_options(url)))

    def apply(self, endpoint: Endpoint) -> None:
        """Set everything on a socket that is not connected yet.

        Raises:
            SrtError: a value is not allowed.
        """
        for option, value in (*self.options(), *self.plain):
            endpoint.set(option, value)

    def options(self) -> Iterator[tuple[Option, int | str]]:
        """The options of libsrt, in an order that it takes."""
        yield Option.RCVSYN, 0
        yield Option.SNDSYN, 0
        buffer = self.buffer_bytes
        # The flow window bounds what the receive buffer may be.
        yield Option.FC, max(WINDOW, buffer // (DATAGRAM_BYTES - 44) + 1)
        yield Option.RCVBUF, buffer
        yield Option.SNDBUF, buffer
        yield Option.UDP_RCVBUF, UDP_BYTES
        yield Option.LOSSMAXTTL, REORDERED
        yield Option.RCVLATENCY, self.latency_ms
        yield Option.PEERLATENCY, self.latency_ms
        yield Option.PAYLOADSIZE, self.packet_bytes
        yield Option.PEERIDLETIMEO, round(self.peer_idle_s * 1000)
        yield Option.CONNTIMEO, round(self.connect_timeout_s * 1000)
        if self.max_bandwidth_kbps:
            yield Option.MAXBW, self.max_bandwidth_kbps * KBPS_BYTES
        elif self.input_bandwidth_kbps:
            yield Option.MAXBW, 0
            yield Option.INPUTBW, self.input_bandwidth_kbps * KBPS_BYTES
            yield Option.OHEADBW, self.overhead_pct
        else:
            yield Option.MAXBW, NO_LIMIT
        if self.key_length:
            yield Option.PBKEYLEN, self.key_length // 8
        if self.passphrase:
            yield Option.PASSPHRASE, self.passphrase
        if self.stream_id:
            yield Option.STREAMID, self.stream_id

    @property
    def buffer_bytes(self) -> int:
        """Room for two latencies of a fast stream."""
        needed = 2 * self.latency_ms * RATE_FORESEEN // 1000
        return min(max(BUFFER_BYTES, needed), BUFFER_MAX_BYTES)
