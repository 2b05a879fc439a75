"""From configuration and URLs to the options of a socket.

URLs have the keys that ``srt-live-transmit`` reads, with its units: milliseconds. A key of the
table wins over the URL.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from streamctl.errors import ConfigError
from streamctl_srt.constants import Option
from streamctl_srt.options import LinkOptions, PushOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.url import StreamURL
    from streamctl_srt.endpoint import Endpoint

KBPS_BYTES = 125
"""Bytes per second in a kilobit per second."""
NO_LIMIT = -1
DATAGRAM_BYTES = 1500
BUFFER_BYTES = 12_288_000
"""What a side holds of a connection in either direction at least: libsrt's own 8192 datagrams."""
BUFFER_MAX_BYTES = 201_326_592
RATE_FORESEEN = 12_500_000
"""Bytes per second that buffers are made for: 100 Mbit/s."""
WINDOW = 25_600
"""Datagrams under way at most, libsrt's own value."""
MODES = ("caller", "listener")
IGNORED = frozenset({"transtype", "mode", "timeout", "tsbpd", "tsbpdmode", "messageapi", "linger"})
"""Keys of URLs for what is always so here, or is none of a socket."""
URL_KEYS = {
    "latency": "latency_ms",
    "rcvlatency": "latency_ms",
    "passphrase": "passphrase",
    "pbkeylen": "key_length",
    "streamid": "stream_id",
    "srt_streamid": "stream_id",
    "pkt_size": "packet_bytes",
    "payload_size": "packet_bytes",
    "payloadsize": "packet_bytes",
    "maxbw": "max_bandwidth_kbps",
    "inputbw": "input_bandwidth_kbps",
    "oheadbw": "overhead_pct",
    "conntimeo": "connect_timeout_s",
    "connect_timeout": "connect_timeout_s",
    "peeridletimeo": "peer_idle_s",
}
"""What keys of URLs are called here."""
PLAIN_KEYS = {
    "peerlatency": Option.PEERLATENCY,
    "iptos": Option.IPTOS,
    "tos": Option.IPTOS,
    "ipttl": Option.IPTTL,
    "ttl": Option.IPTTL,
    "lossmaxttl": Option.LOSSMAXTTL,
    "tlpktdrop": Option.TLPKTDROP,
    "nakreport": Option.NAKREPORT,
    "enforcedencryption": Option.ENFORCEDENCRYPTION,
    "minversion": Option.MINVERSION,
    "fc": Option.FC,
    "ffs": Option.FC,
    "rcvbuf": Option.RCVBUF,
    "sndbuf": Option.SNDBUF,
    "packetfilter": Option.PACKETFILTER,
}
"""Keys of URLs that go to libsrt as they are."""
WORDS = {"true": 1, "yes": 1, "on": 1, "false": 0, "no": 0, "off": 0}


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
            ConfigError: a key of the URL is not known, or its value is none.
        """
        named: dict[str, object] = {}
        plain: list[tuple[Option, int | str]] = []
        for name, text in url.query:
            low = name.lower()
            if low in URL_KEYS:
                named[URL_KEYS[low]] = convert(low, text, url)
            elif low in PLAIN_KEYS:
                plain.append((PLAIN_KEYS[low], plain_value(low, text, url)))
            elif low not in IGNORED:
                known = ", ".join(sorted({*URL_KEYS, *PLAIN_KEYS, *IGNORED}))
                raise ConfigError(
                    f"`{name}` in `{url.redacted}` is not known", hint=f"keys: {known}"
                )
        try:
            model = PushOptions.model_validate(named)
        except ValidationError as error:
            first = error.errors()[0]
            message = str(first["msg"]).removeprefix("Value error, ")
            place = first["loc"][0] if first["loc"] else "a value"
            hint = "times are milliseconds, as srt-live-transmit counts; ffmpeg has microseconds"
            raise ConfigError(f"`{place}` in `{url.redacted}`: {message}", hint=hint) from None
        told = {name: getattr(options, name) for name in options.model_fields_set}
        told = {name: value for name, value in told.items() if name in PushOptions.model_fields}
        return replace(cls.of(model.model_copy(update=told)), plain=tuple(plain))

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


def convert(name: str, text: str, url: StreamURL) -> object:
    """A value of a URL in the unit of the table.

    Raises:
        ConfigError: it is no number.
    """
    if URL_KEYS[name] in {"passphrase", "stream_id"}:
        return text
    value = number(name, text, url)
    if name == "pbkeylen":
        # Bytes in libsrt, bits in the configuration.
        return value if value > 32 else value * 8
    if name in {"maxbw", "inputbw"}:
        return max(0, value) // KBPS_BYTES
    if URL_KEYS[name].endswith("_s"):
        return value / 1000
    return value


def plain_value(name: str, text: str, url: StreamURL) -> int | str:
    """A value that libsrt gets as it is.

    Raises:
        ConfigError: it is no number.
    """
    if name == "packetfilter":
        return text
    return WORDS[text.lower()] if text.lower() in WORDS else number(name, text, url)


def number(name: str, text: str, url: StreamURL) -> int:
    """A whole number of a URL.

    Raises:
        ConfigError: it is none.
    """
    try:
        return int(text, 0)
    except ValueError:
        raise ConfigError(f"`{name}` in `{url.redacted}`: write a whole number") from None


def mode(url: StreamURL) -> str:
    """Who begins the connection: ``caller`` = we do, ``listener`` = the other side.

    Raises:
        ConfigError: another mode.
    """
    asked = next((value for name, value in url.query if name.lower() == "mode"), "")
    found = asked or ("caller" if url.host else "listener")
    if found not in MODES:
        raise ConfigError(
            f"`mode={found}` in `{url.redacted}` is not available",
            hint="write `mode=caller` or `mode=listener`",
        )
    return found
