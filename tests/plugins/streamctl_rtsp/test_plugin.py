"""What the plugin says of itself and makes."""

from __future__ import annotations

from streamctl.media.packet import Codec, Format
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl_rtsp.client.options import InputOptions, PushOptions
from streamctl_rtsp.client.sink import RtspSink
from streamctl_rtsp.client.source import RtspSource
from streamctl_rtsp.converter import RtpConverter
from streamctl_rtsp.plugin import RtspPlugin, wall
from streamctl_rtsp.server.listener import RtspListener
from streamctl_rtsp.server.options import ListenerOptions, TlsListenerOptions
from tests.plugins.streamctl_rtmp.world import FakeContext

URL = StreamURL.parse("rtsps://h/live/x")


def test_it_does_what_its_capabilities_say() -> None:
    plugin = RtspPlugin()
    context = FakeContext().as_context
    assert plugin.caps == Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    plugin.check_input(URL, InputOptions())
    plugin.check_push(URL, PushOptions())
    assert isinstance(plugin.source(URL, InputOptions(), context), RtspSource)
    assert isinstance(plugin.sink(URL, PushOptions(), context), RtspSink)


def test_it_listens_in_the_clear_and_over_tls() -> None:
    plugin = RtspPlugin()
    context = FakeContext().as_context
    plain = plugin.listener(("", 8554), ListenerOptions(), context)
    assert isinstance(plain, RtspListener)
    assert plain.tls is None
    pair = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
    options = plugin.listeners["rtsps"].model_validate(pair)
    assert isinstance(options, TlsListenerOptions)
    secure = plugin.listener(("", 8322), options, context)
    assert isinstance(secure, RtspListener)
    assert secure.tls is not None
    assert (str(secure.tls.cert), secure.tls.setting) == ("cert.pem", "listeners.rtsps")


def test_it_brings_its_converter() -> None:
    [spec] = RtspPlugin().converters()
    assert (spec.source, spec.target) == (Format.PACKETS, Format.RTP)
    assert spec.codecs >= {Codec.H264, Codec.HEVC, Codec.AV1, Codec.VP9, Codec.AAC, Codec.OPUS}
    assert Codec.FLAC not in spec.codecs
    assert isinstance(spec.factory(), RtpConverter)
    assert wall() > 1_700_000_000
