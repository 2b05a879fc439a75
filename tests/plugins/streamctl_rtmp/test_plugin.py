"""What the plugin says of itself and makes."""

from __future__ import annotations

from streamctl.media.packet import Codec, Format
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.converter import RtmpConverter
from streamctl_rtmp.listener import RtmpListener
from streamctl_rtmp.options import ListenerOptions
from streamctl_rtmp.plugin import RtmpPlugin
from streamctl_rtmp.sink import RtmpSink
from streamctl_rtmp.source import RtmpSource
from tests.plugins.streamctl_rtmp.world import FakeContext

URL = StreamURL.parse("rtmps://h/live/x")


def test_it_does_what_its_capabilities_say() -> None:
    plugin = RtmpPlugin()
    context = FakeContext().as_context
    assert plugin.caps == Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    assert isinstance(plugin.source(URL, plugin.InputOptions(), context), RtmpSource)
    assert isinstance(plugin.sink(URL, plugin.OutputOptions(), context), RtmpSink)
    listener = plugin.listener(("", 1935), ListenerOptions(), context)
    assert isinstance(listener, RtmpListener)


def test_it_brings_its_converter() -> None:
    [spec] = RtmpPlugin().converters()
    assert (spec.source, spec.target) == (Format.PACKETS, Format.RTMP)
    assert spec.codecs == {Codec.H264, Codec.AAC}
    assert isinstance(spec.factory(), RtmpConverter)


def test_viewers_find_it() -> None:
    url = RtmpPlugin.url_template.format(host="h", port=1935, code="news")
    assert url == "rtmp://h:1935/live/news"
