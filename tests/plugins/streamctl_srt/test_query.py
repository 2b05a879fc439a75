"""What URLs say."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_srt.constants import Option
from streamctl_srt.options import InputOptions, PushOptions
from streamctl_srt.query import check_destination, merged, mode
from streamctl_srt.settings import Settings


def of(query: str, options: PushOptions | None = None) -> Settings:
    return Settings.of_url(StreamURL.parse(f"srt://h:1?{query}"), options or PushOptions())


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
        ("latency_ms=200", "latency_ms", 200),
        ("stream_id=publish:news", "stream_id", "publish:news"),
        ("key_length=256", "key_length", 256),
        ("connect_timeout_s=1.5", "connect_timeout_s", 1.5),
        ("transtype=live&mode=caller&messageapi=1", "latency_ms", 120),
        ("lossmaxttl=40&tlpktdrop=no", "plain", ((Option.LOSSMAXTTL, 40), (Option.TLPKTDROP, 0))),
        ("recv_buffer_size=4096", "plain", ((Option.UDP_RCVBUF, 4096),)),
        ("packetfilter=fec,cols:10", "plain", ((Option.PACKETFILTER, "fec,cols:10"),)),
    ],
)
def test_keys_of_urls_are_those_of_other_programs(query: str, field: str, value: object) -> None:
    assert getattr(of(query), field) == value


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("latency=120000", "`latency` in"),
        ("latency=fast", "`latency` in `srt://h:1.*whole number"),
        ("passphrase=short", "10 to 79 characters"),
        ("pbkeylen=20", "`pbkeylen` in"),
        ("streamid=" + "x" * 600, "512 bytes at most, this has 600"),
        ("pkt_size=1000", "multiple of 188"),
        ("latencey=1", "`latencey` in .* is unknown"),
        ("lossmaxttl=much", "`lossmaxttl` in .*whole number"),
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


def test_the_table_and_the_url_must_not_differ() -> None:
    table = PushOptions(latency_ms=300, passphrase=SecretStr("from the table"))
    found = of("latency=300&passphrase=from+the+table&peeridletimeo=9000", table)
    assert (found.latency_ms, found.passphrase, found.peer_idle_s) == (300, "from the table", 9.0)
    with pytest.raises(ConfigError, match=r"`latency` in .* and the key `latency_ms` differ"):
        of("latency=200", table)
    with pytest.raises(ConfigError, match="the key `passphrase` differ") as caught:
        of("passphrase=from+the+url", table)
    assert "from the" not in str(caught.value)


def test_programs_are_chosen_of_inputs_only() -> None:
    url = StreamURL.parse("srt://h:1?program=2&pids=256,257")
    found = merged(url, InputOptions())
    assert (found.program, found.pids) == (2, (256, 257))
    with pytest.raises(ConfigError, match=r"`program` in .* is unknown"):
        merged(url, PushOptions())


def test_a_path_is_refused_since_a_stream_id_is_meant() -> None:
    assert merged(StreamURL.parse("srt://h:1/"), PushOptions()) == PushOptions()
    with pytest.raises(ConfigError, match="has a path") as caught:
        merged(StreamURL.parse("srt://h:1/live/news"), PushOptions())
    assert "srt://h:PORT?streamid=" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("srt://h:1", "caller"),
        ("srt://:9000", "listener"),
        ("srt://0.0.0.0:9000", "listener"),
        ("srt://[::]:9000", "listener"),
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


def test_somebody_must_be_called() -> None:
    with pytest.raises(ConfigError, match="names no host"):
        mode(StreamURL.parse("srt://:9000?mode=caller"))


@pytest.mark.parametrize("query", ["mode=listener", "mode=rendezvous"])
def test_a_destination_is_called(query: str) -> None:
    check_destination(StreamURL.parse("srt://h:1?mode=caller"))
    with pytest.raises(ConfigError, match="mode="):
        check_destination(StreamURL.parse(f"srt://h:1?{query}"))
