from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from streamctl.errors import ConfigError, Unsupported
from streamctl.media.packet import Codec, Format, Init, Track
from streamctl.sdk.endpoints import Bytes, HttpRequest, Live
from streamctl.sdk.plugin import Cap, Empty
from streamctl.sdk.url import StreamURL
from streamctl_http_flv.options import HttpFlvInputOptions
from streamctl_http_flv.plugin import HttpFlvPlugin

if TYPE_CHECKING:
    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Handler, HttpOutput
    from streamctl.sdk.lane import Attachment, Reader

INIT = Init(1, 1, (Track(0, Codec.H264, b"avcC"), Track(1, Codec.AAC, b"asc")))
CONTEXT = cast("Context", None)
"""The plugin needs nothing of it."""


class View:
    """A stream whose publisher comes and goes."""

    code = "news"
    title = "News"
    generation = 1
    publishing = True

    def on_air(self) -> bool:
        return self.publishing

    def init(self, fmt: Format) -> Init | None:
        return INIT

    def refusal(self, fmt: Format) -> str:
        return ""

    def attach(self, fmt: Format, reader: Reader) -> Attachment:
        raise Unsupported("viewers are attached by the engine")

    def note(self, name: str, text: str) -> None:
        raise AssertionError(name)

    def degrade(self, cause: str, text: str) -> None:
        raise AssertionError(cause)


def output(view: View) -> HttpOutput:
    return HttpFlvPlugin().http_output(view, Empty(), CONTEXT)


def request(method: str = "GET") -> HttpRequest:
    return HttpRequest(method, "/news.flv", {}, {}, "192.0.2.1")


def route(view: View, suffix: str) -> Handler:
    return output(view).routes()[suffix]


@pytest.mark.parametrize("suffix", ["/flv", ".flv"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_on_air_is_endless_flv(suffix: str, method: str) -> None:
    reply = route(View(), suffix)(request(method))
    assert isinstance(reply, Live)
    assert (reply.fmt, reply.content_type) == (Format.FLV, "video/x-flv")
    assert reply.preamble == b"FLV\x01\x05\0\0\0\x09\0\0\0\0"


def test_a_stream_that_waits_for_its_publisher_asks_players_to_come_back() -> None:
    view = View()
    view.publishing = False
    play = route(view, "/flv")
    reply = play(request())
    assert isinstance(reply, Bytes)
    assert reply.status == 503
    assert reply.headers["Retry-After"] == "2"
    assert reply.body == b"`news` is not on air\n"
    view.publishing = True
    assert isinstance(play(request()), Live)


def test_an_output_starts_stops_and_has_nothing_to_report() -> None:
    stream = output(View())
    stream.start()
    assert stream.status() == {}
    stream.stop()


def test_the_plugin_says_what_it_can_do() -> None:
    plugin = HttpFlvPlugin()
    assert plugin.kind == "http-flv"
    assert plugin.caps == Cap.HTTP | Cap.PULL | Cap.CONVERT
    assert plugin.play_format is Format.FLV
    [spec] = plugin.converters()
    assert (spec.source, spec.target) == (Format.PACKETS, Format.FLV)
    url = plugin.url_template.format(host="h", port=8888, code="region/a")
    assert url == "http://h:8888/region/a.flv"
    with pytest.raises(Unsupported):
        plugin.sink(StreamURL.parse("http://h/a.flv"), Empty(), CONTEXT)


def test_headers_that_can_not_be_sent_are_refused_with_the_configuration() -> None:
    options = HttpFlvInputOptions.model_validate({"headers": {"Host": "g"}})
    with pytest.raises(ConfigError, match="the header `Host` can't be sent"):
        HttpFlvPlugin().check_input(StreamURL.parse("http://h/x.flv"), options)
