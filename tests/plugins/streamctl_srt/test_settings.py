from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_srt.constants import Option
from streamctl_srt.options import InputOptions, ListenerOptions, PushOptions
from streamctl_srt.settings import BUFFER_BYTES, Settings, mode

if TYPE_CHECKING:
    from collections.abc import Mapping


def of(query: str, options: PushOptions | None = None) -> Settings:
    return Settings.of_url(StreamURL.parse(f"srt://h:1?{query}"), options or PushOptions())


def set_by(settings: Settings) -> Mapping[Option, Any]:
    return dict(settings.options())


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("latency=200", "latency_ms", 200),
        ("LATENCY=200", "latency_ms", 200),
        ("rcvlatency=0x20", "latency_ms", 32),
        ("passphrase=0123456789", "passphrase", "0123456789"),
        ("pbkeylen=32", "key_length", 256),
        ("pbkeylen=192", "key_length", 192),
        ("streamid=publish:news", "stream_id", "publish:news"),
        ("streamid=%23%21::r%3Dnews%2Cm%3Dpublish", "stream_id", "#!::r=news,m=publish"),
        ("pkt_size=188", "packet_bytes", 188),
        ("maxbw=1250000", "max_bandwidth_kbps", 10_000),
        ("maxbw=-1", "max_bandwidth_kbps", 0),
        ("inputbw=125000", "input_bandwidth_kbps", 1000),
        ("oheadbw=50", "overhead_pct", 50),
        ("conntimeo=1500", "connect_timeout_s", 1.5),
        ("peeridletimeo=8000", "peer_idle_s", 8.0),
        ("transtype=live&mode=caller&messageapi=1", "latency_ms", 120),
        ("lossmaxttl=40&tlpktdrop=no", "plain", ((Option.LOSSMAXTTL, 40), (Option.TLPKTDROP, 0))),
        ("packetfilter=fec,cols:10", "plain", ((Option.PACKETFILTER, "fec,cols:10"),)),
    ],
)
def test_keys_of_urls_are_those_of_other_programs(query: str, field: str, value: object) -> None:
    assert getattr(of(query), field) == value


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("latency=120000", "`latency_ms`"),
        ("latency=fast", "`latency` in `srt://h:1.*whole number"),
        ("passphrase=short", "10 to 79 characters"),
        ("pbkeylen=20", "`key_length`"),
        ("streamid=" + "x" * 600, "512 bytes at most, this has 600"),
        ("pkt_size=1000", "multiple of 188"),
        ("latencey=1", "`latencey` in .* is not known"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(query: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        of(query)
    assert caught.value.permanent
    assert "short" not in caught.value.message.replace("shorter", "")


def test_times_that_look_like_microseconds_are_explained() -> None:
    with pytest.raises(ConfigError) as caught:
        of("latency=120000")
    assert "ffmpeg has microseconds" in caught.value.hint


def test_a_key_of_the_table_wins_over_the_url() -> None:
    options = InputOptions(latency_ms=300, passphrase=SecretStr("from the table"), program=2)
    found = of("latency=200&passphrase=from-the-url&peeridletimeo=9000", options)
    assert (found.latency_ms, found.passphrase, found.peer_idle_s) == (300, "from the table", 9.0)


def test_a_listener_has_no_passphrase_of_its_own() -> None:
    assert Settings.of(ListenerOptions(latency_ms=50)).latency_ms == 50
    assert Option.PASSPHRASE not in set_by(Settings.of(ListenerOptions()))


def test_both_directions_get_the_latency() -> None:
    found = set_by(Settings(latency_ms=250))
    assert (found[Option.RCVLATENCY], found[Option.PEERLATENCY]) == (250, 250)
    assert (found[Option.RCVSYN], found[Option.SNDSYN]) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), {Option.MAXBW: -1}),
        (Settings(max_bandwidth_kbps=8000), {Option.MAXBW: 1_000_000}),
        (
            Settings(input_bandwidth_kbps=8000, overhead_pct=10),
            {Option.MAXBW: 0, Option.INPUTBW: 1_000_000, Option.OHEADBW: 10},
        ),
    ],
)
def test_bandwidth_is_bytes_per_second(settings: Settings, expected: dict[Option, int]) -> None:
    found = set_by(settings)
    names = (Option.MAXBW, Option.INPUTBW, Option.OHEADBW)
    assert {name: found[name] for name in names if name in found} == expected


def test_long_latencies_get_room_for_what_is_under_way() -> None:
    short, long = Settings(), Settings(latency_ms=4000)
    assert short.buffer_bytes == BUFFER_BYTES
    assert long.buffer_bytes == 2 * 4 * 12_500_000
    found = set_by(long)
    assert found[Option.FC] * 1456 >= found[Option.RCVBUF]


@pytest.mark.parametrize(("key_length", "size"), [(0, None), (128, 16), (192, 24), (256, 32)])
def test_keys_have_their_length(key_length: int, size: int | None) -> None:
    assert set_by(Settings(key_length=key_length)).get(Option.PBKEYLEN) == size


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("srt://h:1", "caller"),
        ("srt://:9000", "listener"),
        ("srt://:9000?mode=listener", "listener"),
        ("srt://0.0.0.0:9000?mode=listener", "listener"),
        ("srt://127.0.0.1:9000", "caller"),
        ("srt://h:1?MODE=caller", "caller"),
    ],
)
def test_the_mode_is_written_or_follows_from_the_host(url: str, expected: str) -> None:
    assert mode(StreamURL.parse(url)) == expected


def test_other_modes_are_refused() -> None:
    with pytest.raises(ConfigError, match="`mode=rendezvous`"):
        mode(StreamURL.parse("srt://h:1?mode=rendezvous"))
