"""Keys, and what URLs say instead."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_udp.options import UdpInputOptions, UdpPushOptions, of_input, of_push

DEFAULT = UdpInputOptions()
MEBIBYTE = 1024 * 1024


def read(url: str, options: UdpInputOptions = DEFAULT) -> tuple[UdpInputOptions, list[str]]:
    warnings: list[str] = []
    return of_input(StreamURL.parse(url), options, warnings.append), warnings


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        ("udp://ens5@239.0.113.1:5001", "interface", "ens5"),
        ("udp://10.0.0.7@239.0.113.1:5001", "interface", "10.0.0.7"),
        ("udp://fe80::1@[ff02::7]:5001", "interface", "fe80::1"),
        ("udp://ens5@239.0.113.1:5001?iface=eth0", "interface", "eth0"),
        ("udp://239.0.113.1:5001?interface=eth0", "interface", "eth0"),
        ("udp://239.0.113.1:5001?localaddr=10.0.0.7", "interface", "10.0.0.7"),
        ("udp://232.0.113.1:5001?source=10.0.0.9", "source", "10.0.0.9"),
        ("udp://232.0.113.1:5001?sources=10.0.0.9", "source", "10.0.0.9"),
        ("udp://:5001?rtp=0", "rtp", False),
        ("udp://:5001?rtp=false", "rtp", False),
        ("udp://:5001?rtp=1", "rtp", True),
        ("udp://:5001?fifo_size=50000000", "receive_buffer_bytes", 50_000_000),
        ("udp://:5001?buffer_size=50000000", "receive_buffer_bytes", 50_000_000),
        ("udp://:5001?recv_buffer_size=50000000", "receive_buffer_bytes", 50_000_000),
        ("udp://:5001?program=3", "program", 3),
        ("udp://:5001?pids=256,257", "pids", (256, 257)),
    ],
)
def test_the_url_may_say_it(url: str, key: str, expected: object) -> None:
    options, warnings = read(url)
    assert getattr(options, key) == expected
    assert options.model_copy(update={key: getattr(DEFAULT, key)}) == DEFAULT
    assert warnings == []


def test_the_table_and_the_url_must_not_differ() -> None:
    options = UdpInputOptions(interface="eth0", program=2)
    assert read("udp://eth0@:5001?rtp=0&program=2", options)[0] == UdpInputOptions(
        interface="eth0", rtp=False, program=2
    )
    with pytest.raises(ConfigError, match=r"`iface` in .* and the key `interface` differ"):
        read("udp://:5001?iface=eth1", options)
    with pytest.raises(ConfigError, match=r"`interface` in .* and the key `interface` differ"):
        read("udp://eth1@:5001", options)


def test_what_makes_no_sense_to_buffers_is_left_out() -> None:
    options, warnings = read("udp://239.0.113.1:5001?fifo_size=0&chan_buf=-5&pkt_size=abc")
    assert options == DEFAULT
    assert options.receive_buffer_bytes == 16 * MEBIBYTE
    assert len(warnings) == 1
    assert "`fifo_size`" in warnings[0]


def test_words_of_other_programs_are_passed_over() -> None:
    assert read("udp://:5001?reuse=1&timeout=5&ttl=3") == (DEFAULT, [])


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="`programm` in `udp://:5001") as caught:
        read("udp://:5001?programm=2")
    assert caught.value.hint == "did you mean `program`?"


@pytest.mark.parametrize(
    "query",
    ["source=10.0.0.9,10.0.0.8", "source=camera", "rtp=perhaps", "program=-1", "program=70000",
     "pids=8191", "pids=a"],
)  # fmt: skip
def test_what_decides_about_media_is_refused(query: str) -> None:
    with pytest.raises(ConfigError, match=f"`{query.partition('=')[0]}`"):
        read(f"udp://232.0.113.1:5001?{query}")


@pytest.mark.parametrize(
    "keys",
    [
        {"receive_buffer_bytes": 0},
        {"receive_buffer_bytes": 1 << 40},
        {"source": "camera"},
        {"program": -1},
        {"pids": [8191]},
        {"pkt_size": 1316},
    ],
)
def test_keys_of_the_file_are_judged(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UdpInputOptions.model_validate(keys)


def push(url: str) -> tuple[UdpPushOptions, list[str]]:
    warnings: list[str] = []
    return of_push(StreamURL.parse(url), UdpPushOptions(), warnings.append), warnings


def test_a_destination_is_described_by_its_url() -> None:
    options, warnings = push(
        "udp://eth1@239.0.113.1:5001?ttl=4&pkt_size=940&rtp=1&bitrate_kbps=8000&loopback=0"
    )
    assert options == UdpPushOptions(
        interface="eth1", ttl=4, packet_bytes=940, rtp=True, bitrate_kbps=8000, loopback=False
    )
    assert warnings == []


def test_sizes_of_datagrams_that_cut_packets_are_left_out() -> None:
    options, warnings = push("udp://h:5001?pkt_size=1472&fifo_size=9")
    assert options == UdpPushOptions()
    assert "`pkt_size`" in warnings[0]
    assert len(warnings) == 1


@pytest.mark.parametrize("query", ["ttl=256", "ttl=-1", "rtp=2", "bitrate_kbps=-1", "delay_ms=0"])
def test_destinations_that_make_no_sense_are_refused(query: str) -> None:
    with pytest.raises(ConfigError, match=f"`{query.partition('=')[0]}`"):
        push(f"udp://h:5001?{query}")


@pytest.mark.parametrize("size", [0, 187, 200, 1504])
def test_datagrams_are_whole_packets_and_not_too_many(size: int) -> None:
    with pytest.raises(ValidationError):
        UdpPushOptions(packet_bytes=size)
