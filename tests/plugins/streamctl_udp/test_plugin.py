"""What the plugin says of itself and makes."""

from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl.testing.conformance import check_plugin
from streamctl.testing.gate import BareContext
from streamctl_udp.options import UdpInputOptions, UdpPushOptions
from streamctl_udp.plugin import UdpPlugin
from streamctl_udp.sink import UdpSink
from streamctl_udp.source import UdpSource

URL = StreamURL.parse("udp://239.0.113.1:5001")


def test_it_receives_and_sends() -> None:
    plugin = UdpPlugin()
    assert plugin.caps == Cap.PULL | Cap.PUSH
    assert isinstance(plugin.source(URL, UdpInputOptions(), BareContext()), UdpSource)
    assert isinstance(plugin.sink(URL, UdpPushOptions(), BareContext()), UdpSink)


def test_it_keeps_the_contract() -> None:
    assert check_plugin(UdpPlugin(), "udp") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("udp://239.0.0.1", "no port"),
        ("udp://239.0.0.1:5000/x", "not one address"),
        ("udp://h:1?rtp=maybe", "`rtp`"),
        ("udp://h:1?speed=2", "`speed` in .* is unknown"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_the_configuration(
    text: str, reason: str
) -> None:
    url = StreamURL.parse(text)
    with pytest.raises(ConfigError, match=reason):
        UdpPlugin().check_input(url, UdpInputOptions())
    with pytest.raises(ConfigError, match=reason):
        UdpPlugin().check_push(url, UdpPushOptions())


def test_a_url_that_can_be_used_is_not_refused(caplog: pytest.LogCaptureFixture) -> None:
    url = StreamURL.parse("udp://239.0.113.1:5001?overrun_nonfatal=1&fifo_size=0")
    UdpPlugin().check_input(url, UdpInputOptions(source="10.0.0.1"))
    UdpPlugin().check_push(url, UdpPushOptions())
    with pytest.raises(ConfigError, match="one is IPv4"):
        UdpPlugin().check_input(url, UdpInputOptions(source="::1"))
    assert caplog.text == ""
