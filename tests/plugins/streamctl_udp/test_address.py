"""Where URLs lead."""

from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_udp.address import address, destination, sender


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp://239.0.113.1:5001", ("239.0.113.1", 5001)),
        ("udp://eth0@239.0.113.1:5001?rtp=0", ("239.0.113.1", 5001)),
        ("UDP://@239.0.113.1:5001/", ("239.0.113.1", 5001)),
        ("udp://[ff15::1]:5001", ("ff15::1", 5001)),
        ("udp://:5001", ("", 5001)),
        ("udp://@:5001", ("", 5001)),
        ("udp://camera-7.example:5001", ("camera-7.example", 5001)),
    ],
)
def test_a_url_is_one_address(text: str, expected: tuple[str, int]) -> None:
    assert address(StreamURL.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "udp://239.0.113.0/24:5001",
        "udp://239.0.113.1-9:5001",
        "udp://239.0.113.1-239.0.113.9:5001",
        "udp://239.0.113.*:5001",
        "udp://239.0.113.1:5001/news",
    ],
)
def test_more_than_one_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not one address") as caught:
        address(StreamURL.parse(text))
    assert "one input or destination for each" in caught.value.hint


def test_ranges_of_ports_are_refused() -> None:
    with pytest.raises(ConfigError, match="5000-5010"):
        StreamURL.parse("udp://239.0.113.1:5000-5010")


def test_a_port_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"no port in `udp://239\.0\.113\.1`") as caught:
        address(StreamURL.parse("udp://239.0.113.1"))
    assert caught.value.hint == "write `udp://239.0.113.1:PORT`"


def test_a_destination_must_be_named() -> None:
    assert destination(StreamURL.parse("udp://host:7")) == ("host", 7)
    with pytest.raises(ConfigError, match="no host in `udp://:7`"):
        destination(StreamURL.parse("udp://:7"))


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("udp://232.0.113.1:7", "10.0.0.9"),
        ("udp://[ff35::1]:7", "2001:db8::9"),
        ("udp://:7", "10.0.0.9"),
        ("udp://[::]:7", "10.0.0.9"),
        ("udp://camera:7", "10.0.0.9"),
        ("udp://232.0.113.1:7", ""),
    ],
)
def test_a_sender_may_be_the_only_one(url: str, source: str) -> None:
    assert sender(StreamURL.parse(url), source) == source


@pytest.mark.parametrize(
    ("url", "source"), [("udp://232.0.113.1:7", "2001:db8::9"), ("udp://[ff35::1]:7", "10.0.0.9")]
)
def test_a_sender_of_the_other_family_is_refused(url: str, source: str) -> None:
    with pytest.raises(ConfigError, match="one is IPv4, the other IPv6"):
        sender(StreamURL.parse(url), source)
