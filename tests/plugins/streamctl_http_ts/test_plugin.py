from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from streamctl.errors import ConfigError, Unsupported
from streamctl.media.packet import Format
from streamctl.sdk.endpoints import Bytes, HttpRequest, Live
from streamctl.sdk.plugin import Cap, Empty
from streamctl.sdk.url import StreamURL
from streamctl_http_ts.options import HttpTsInputOptions
from streamctl_http_ts.plugin import HttpTsPlugin
from streamctl_http_ts.source import HttpTsSource

if TYPE_CHECKING:
    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Handler, HttpOutput
    from streamctl.sdk.lane import Attachment, Reader

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

    def init(self, fmt: Format) -> None:
        return None

    def refusal(self, fmt: Format) -> str:
        return ""

    def attach(self, fmt: Format, reader: Reader) -> Attachment:
        raise Unsupported("viewers are attached by the engine")

    def note(self, name: str, text: str) -> None:
        raise AssertionError(name)

    def degrade(self, cause: str, text: str) -> None:
        raise AssertionError(cause)


def output(view: View) -> HttpOutput:
    return HttpTsPlugin().http_output(view, Empty(), CONTEXT)


def request(method: str = "GET") -> HttpRequest:
    return HttpRequest(method, "/news/mpegts", {}, {}, "192.0.2.1")


def route(view: View, suffix: str) -> Handler:
    return output(view).routes()[suffix]


@pytest.mark.parametrize("suffix", ["/mpegts", ".ts"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_on_air_is_an_endless_transport_stream(suffix: str, method: str) -> None:
    reply = route(View(), suffix)(request(method))
    assert isinstance(reply, Live)
    assert (reply.fmt, reply.content_type) == (Format.MPEGTS, "video/mp2t")
    assert reply.preamble == b""


def test_a_stream_that_waits_for_its_publisher_asks_players_to_come_back() -> None:
    view = View()
    view.publishing = False
    play = route(view, "/mpegts")
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


@pytest.mark.parametrize(
    ("url", "headers", "reason"),
    [
        ("http-ts+ftp://h/x.ts", {}, "no HTTP server"),
        ("http:///x.ts", {}, "no HTTP server"),
        ("http://h/x.ts", {"X": "a\nb"}, "the header `X` can't be sent"),
        ("http://h/x.ts", {"Host": "g"}, "the header `Host` can't be sent"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_the_configuration(
    url: str, headers: dict[str, str], reason: str
) -> None:
    options = HttpTsInputOptions.model_validate({"headers": headers})
    HttpTsPlugin().check_input(StreamURL.parse("http://us:pw@h/x.ts?q=1"), HttpTsInputOptions())
    with pytest.raises(ConfigError, match=reason):
        HttpTsPlugin().check_input(StreamURL.parse(url), options)


def test_the_plugin_says_what_it_can_do() -> None:
    plugin = HttpTsPlugin()
    assert plugin.kind == "http-ts"
    assert plugin.caps == Cap.HTTP | Cap.PULL
    assert plugin.play_format is Format.MPEGTS
    url = plugin.url_template.format(host="h", port=8888, code="region/a")
    assert url == "http://h:8888/region/a/mpegts"
    source = plugin.source(StreamURL.parse("http://h/a.ts"), HttpTsInputOptions(), CONTEXT)
    assert isinstance(source, HttpTsSource)
    with pytest.raises(Unsupported):
        plugin.sink(StreamURL.parse("http://h/a.ts"), Empty(), CONTEXT)
