"""What the plugin says of itself and makes."""

from __future__ import annotations

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
