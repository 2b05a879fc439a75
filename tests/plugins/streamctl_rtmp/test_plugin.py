"""What the plugin says of itself and makes."""

from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.media.packet import Codec, Format
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.converter import RtmpConverter
from streamctl_rtmp.listener import RtmpListener
from streamctl_rtmp.options import ClientOptions, ListenerOptions, TlsListenerOptions
from streamctl_rtmp.plugin import RtmpPlugin
from streamctl_rtmp.sink import RtmpSink
from streamctl_rtmp.source import RtmpSource
from tests.plugins.streamctl_rtmp.world import FakeContext

URL = StreamURL.parse("rtmps://h/live/x")


def test_it_does_what_its_capabilities_say() -> None:
    plugin = RtmpPlugin()
    context = FakeContext().as_context
    assert plugin.caps == Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    assert isinstance(plugin.source(URL, ClientOptions(), context), RtmpSource)
    assert isinstance(plugin.sink(URL, ClientOptions(), context), RtmpSink)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtmp://0.0.0.0:1935/live/key", "no server to call"),
        ("rtmp://[::]/live/key", "no server to call"),
        ("rtmps://:1936/live/key", "no server to call"),
        ("rtmp://h", "no stream in"),
        ("rtmp://h/?key=k", "no stream in"),
    ],
)
def test_inputs_name_a_server_and_a_stream(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        RtmpPlugin().check_input(StreamURL.parse(text), ClientOptions())


def test_servers_of_this_machine_can_be_called() -> None:
    for text in ("rtmp://127.0.0.1/live/x", "rtmp://localhost:1936/x", "rtmp://[::1]/a/b/c"):
        RtmpPlugin().check_input(StreamURL.parse(text), ClientOptions())


def test_destinations_name_a_server_and_a_stream() -> None:
    for text in ("rtmp:///live/k", "rtmp://h/"):
        with pytest.raises(ConfigError, match=r"no (host|stream)"):
            RtmpPlugin().check_push(StreamURL.parse(text).as_destination(), ClientOptions())
    RtmpPlugin().check_push(URL.as_destination(), ClientOptions())


def test_it_listens_in_the_clear_and_over_tls() -> None:
    plugin = RtmpPlugin()
    context = FakeContext().as_context
    plain = plugin.listener(("", 1935), ListenerOptions(), context)
    assert isinstance(plain, RtmpListener)
    assert plain.tls is None
    pair = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
    options = plugin.listeners["rtmps"].model_validate(pair)
    assert isinstance(options, TlsListenerOptions)
    secure = plugin.listener(("", 1936), options, context)
    assert isinstance(secure, RtmpListener)
    assert secure.tls is not None
    assert (str(secure.tls.cert), secure.tls.setting) == ("cert.pem", "listeners.rtmps")


def test_it_brings_its_converter() -> None:
    spec, further = RtmpPlugin().converters()
    assert (spec.source, spec.target) == (Format.PACKETS, Format.RTMP)
    assert spec.codecs >= {Codec.H264, Codec.HEVC, Codec.AV1, Codec.VP9, Codec.AAC, Codec.FLAC}
    assert Codec.VP8 not in spec.codecs
    assert isinstance(spec.factory(), RtmpConverter)
    assert (further.target, further.codecs) == (Format.RTMP_MULTITRACK, spec.codecs)
    assert isinstance(further.factory(), RtmpConverter)


def test_viewers_find_it() -> None:
    url = RtmpPlugin.url_template.format(host="h", port=1935, code="news")
    assert url == "rtmp://h:1935/live/news"
