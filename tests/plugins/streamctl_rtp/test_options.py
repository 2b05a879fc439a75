"""Keys of inputs and of the listener, and what URLs say instead."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_rtp.address import Place, place
from streamctl_rtp.options import RtpInputOptions, RtpListenerOptions, of_input


def read(url: str, **keys: object) -> RtpInputOptions:
    return of_input(StreamURL.parse(url), RtpInputOptions.model_validate(keys))


def test_sources_and_senders_are_one_or_several() -> None:
    options = read("rtp://", ssrc="0x1a2b3c4d", sender="10.0.0.0/8")
    assert options.ssrc == (0x1A2B3C4D,)
    assert options.sender == (ip_network("10.0.0.0/8"),)
    options = RtpInputOptions.model_validate({"ssrc": [1, "2"], "from": ["10.0.0.1", "::1"]})
    assert options.ssrc == (1, 2)
    assert options.sender == (ip_network("10.0.0.1"), ip_network("::1"))
    assert RtpInputOptions.model_validate({"ssrc": 5}).ssrc == (5,)
    assert RtpInputOptions.model_validate({"sender": options.sender}).sender == options.sender
    assert options.model_dump(mode="json")["sender"] == ["10.0.0.1/32", "::1/128"]


@pytest.mark.parametrize(
    "keys",
    [
        {"ssrc": "x"},
        {"ssrc": [True]},
        {"ssrc": [-1]},
        {"ssrc": [1 << 32]},
        {"from": "10.0.0.0/99"},
        {"from": [True]},
        {"from": [5]},
        {"sdp": "x.sdp"},
        {"source": "host"},
        {"reorder_ms": 5000},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RtpInputOptions.model_validate(keys)


def test_the_url_has_keys_too() -> None:
    options = read("rtp://?ssrc=1,0x2&from=10.0.0.0/8&reorder_ms=50", ssrc=[1, 2], sdp="file:x.sdp")
    assert (options.ssrc, options.reorder_ms, options.sdp) == ((1, 2), 50, "file:x.sdp")
    assert options.sender == (ip_network("10.0.0.0/8"),)
    assert read("rtp://:5004?sdp=file:x.sdp").sdp == "file:x.sdp"
    options = read("rtp://:5004?program=2&pids=256,257")
    assert (options.program, options.pids) == (2, (256, 257))


def test_the_words_of_other_programs_are_known() -> None:
    options = read("rtp://239.1.2.3:5004?localaddr=10.0.0.1&sources=10.0.0.9&ttl=4&pkt_size=1316")
    assert (options.interface, options.source) == ("10.0.0.1", "10.0.0.9")


def test_a_buffer_that_makes_no_sense_is_left_out() -> None:
    warnings: list[str] = []
    url = StreamURL.parse("rtp://:5004?buffer_size=1")
    options = of_input(url, RtpInputOptions(), warnings.append)
    assert options == RtpInputOptions()
    assert "buffer_size" in warnings[0]


@pytest.mark.parametrize("key", ["sender", "from"])
def test_url_and_table_may_not_differ(key: str) -> None:
    with pytest.raises(ConfigError, match="differ"):
        read("rtp://?from=10.0.0.0/8", **{key: "11.0.0.0/8"})


@pytest.mark.parametrize("query", ["block=10.0.0.1", "ssrc=x", "sdp=http://x", "source=x"])
def test_a_query_that_can_not_be_understood_is_refused(query: str) -> None:
    with pytest.raises(ConfigError, match="rtp://:5004"):
        read(f"rtp://:5004?{query}")


def test_templates_have_the_names_that_there_are() -> None:
    assert RtpListenerOptions(stream="rtp/{ssrc}-{ip}").stream == "rtp/{ssrc}-{ip}"
    with pytest.raises(ValidationError, match="none of"):
        RtpListenerOptions(stream="rtp/{name}")


@pytest.mark.parametrize(
    ("url", "keys", "expected"),
    [
        ("rtp://239.1.2.3:5004", {}, Place(("239.1.2.3", 5004), shared=False)),
        ("rtp://:5004", {}, Place(("", 5004), shared=False)),
        ("rtp://@:5004", {}, Place(("", 5004), shared=False)),
        ("rtp://[::1]:5004", {"source": "::2"}, Place(("::1", 5004), shared=False)),
        ("rtp://host:5004", {"source": "::2"}, Place(("host", 5004), shared=False)),
        ("rtp://0.0.0.0:5004", {"source": "::2"}, Place(("0.0.0.0", 5004), shared=False)),
        ("rtp://10.0.0.1", {"sdp": "file:x"}, Place(("10.0.0.1", 0), shared=False)),
        ("rtp://", {"ssrc": 1}, Place(("", 0), shared=True)),
        ("rtp://", {"sender": "10.0.0.1"}, Place(("", 0), shared=True)),
    ],
)
def test_where_an_input_receives(url: str, keys: dict[str, object], expected: Place) -> None:
    assert place(StreamURL.parse(url), RtpInputOptions.model_validate(keys)) == expected


@pytest.mark.parametrize(
    ("url", "keys", "message"),
    [
        ("rtp://", {}, "no port"),
        ("rtp://10.0.0.1", {}, "no port"),
        ("rtp://:5004/path", {}, "not one address"),
        ("rtp://user@:5004", {}, "not one address"),
        ("rtp://:5004", {"ssrc": 1}, "port of its own"),
        ("rtp://10.0.0.1", {"sender": "10.0.0.2"}, "port of its own"),
        ("rtp://10.0.0.1:5004", {"source": "::1"}, "IPv6"),
    ],
)
def test_what_does_not_tell_it_is_refused(url: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        place(StreamURL.parse(url), RtpInputOptions.model_validate(keys))
