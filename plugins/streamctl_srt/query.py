"""What URLs of SRT say: whom to call, and options beside those of the table.

Queries have the keys of the tables, and those that ``srt-live-transmit`` reads, with its units:
milliseconds, bytes and bytes per second. Some of the latter are for libsrt alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from streamctl.errors import ConfigError
from streamctl.sdk.query import Dialect, with_query
from streamctl_srt.constants import Option
from streamctl_srt.options import PushOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.url import StreamURL

Keys = TypeVar("Keys", bound=PushOptions)

KBPS_BYTES = 125
"""Bytes per second in a kilobit per second."""
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
    "recv_buffer_size": Option.UDP_RCVBUF,
    "send_buffer_size": Option.UDP_SNDBUF,
    "packetfilter": Option.PACKETFILTER,
}
"""Keys of URLs that go to libsrt as they are."""
WORDS = {"true": 1, "yes": 1, "on": 1, "false": 0, "no": 0, "off": 0}
SECONDS = frozenset({"connect_timeout_s", "peer_idle_s"})
"""Keys whose values are seconds here and milliseconds in URLs."""


def converted(name: str, text: str) -> object:
    """A value of a URL in the unit of the table.

    Raises:
        ValueError: it is no number.
    """
    key = URL_KEYS.get(name, "")
    if key in {"", "passphrase", "stream_id"} and name != "key_length":
        return text
    value = number(text)
    if name == "pbkeylen":
        # Bytes in libsrt, bits in the configuration.
        return value if value > 32 else value * 8
    if name in {"maxbw", "inputbw"}:
        return max(0, value) // KBPS_BYTES
    return value / 1000 if key in SECONDS else value


def number(text: str) -> int:
    """A whole number of a URL.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError("write a whole number") from None


DIALECT = Dialect(
    words=URL_KEYS,
    foreign=IGNORED | PLAIN_KEYS.keys(),
    convert=converted,
    hints={"latency_ms": "milliseconds, as srt-live-transmit counts; ffmpeg has microseconds"},
)


def merged(url: StreamURL, options: Keys) -> Keys:
    """The table with what the URL says.

    Raises:
        ConfigError: a key of the URL is not known, its value is none, or the table has another.
    """
    if url.path.strip("/"):
        raise ConfigError(
            f"`{url.redacted}` has a path, which means nothing in SRT",
            hint=f"name the stream in a stream id: `srt://{url.host}:PORT?streamid=…`",
        )
    return with_query(options, url, DIALECT)


def plain_options(url: StreamURL) -> Iterator[tuple[Option, int | str]]:
    """What a URL has for libsrt as it is.

    Raises:
        ConfigError: a value is no number.
    """
    for name, text in url.query:
        low = name.lower()
        if low not in PLAIN_KEYS:
            continue
        if low == "packetfilter":
            yield PLAIN_KEYS[low], text
            continue
        try:
            value = WORDS[text.lower()] if text.lower() in WORDS else number(text)
        except ValueError as error:
            raise ConfigError(f"`{name}` in `{url.redacted}`: {error}") from None
        yield PLAIN_KEYS[low], value


def mode(url: StreamURL) -> str:
    """Who begins the connection: ``caller`` = we do, ``listener`` = the other side.

    Raises:
        ConfigError: another mode, or nobody to call.
    """
    asked = next((value for name, value in url.query if name.lower() == "mode"), "")
    found = asked.lower() or ("listener" if url.anywhere else "caller")
    if found not in MODES:
        raise ConfigError(
            f"`mode={asked}` in `{url.redacted}` is not available",
            hint="write `mode=caller` or `mode=listener`",
        )
    if found == "caller" and not url.host:
        raise ConfigError(
            f"`{url.redacted}` names no host to call",
            hint="write `srt://HOST:PORT`, or `mode=listener` to be called",
        )
    return found


def check_destination(url: StreamURL) -> None:
    """Refuse destinations that would have to call us: they are viewers.

    Raises:
        ConfigError: the URL has another mode than ``caller``.
    """
    if mode(url) != "caller":
        raise ConfigError(
            "a destination is called, so it can't have `mode=listener`",
            hint="remove it, or have the other side play the stream from `[listeners.srt]`",
        )
