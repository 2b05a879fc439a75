from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.cli.banner import Summary, banner, hint
from streamctl.config.load import parse
from streamctl.counters import ServerCounters, StreamCounters
from streamctl.engine.server import Server
from streamctl.engine.stream import Stream
from streamctl.registry import Registry
from streamctl.sdk.session import Action
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address

TEXT = """
[listeners.rtmp]
address = ":1935"
[streams.news]
title = "News"
inputs = ["publish:"]
[streams."region/a"]
inputs = ["publish:"]
publish_key = "s3cret"
read_key = "s3cret-too"
outputs = ["rtmp"]
[streams.loop]
inputs = ["file:loop.mp4"]
outputs = ["hls"]
[streams.off]
inputs = ["publish:"]
disabled = true
"""


@pytest.fixture
def server(anyio_backend: str) -> Server:
    return Server(parse(TEXT, "x", Registry(), {}), Registry(), FakeClock())


def listen(server: Server, **addresses: Address) -> None:
    """Put the server into the state of one that runs."""
    server.addresses.update(addresses)
    server.services.ports.update({kind: address[1] for kind, address in addresses.items()})
    for code, config in server.config.streams.items():
        if not config.disabled:
            server.running[code] = Stream(config, server.services)
            server.running[code].start()


@pytest.fixture
def secure(anyio_backend: str) -> Server:
    http = '[http]\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n'
    return Server(parse(http + TEXT, "x", Registry(), {}), Registry(), FakeClock())


@pytest.mark.anyio
async def test_a_server_with_a_certificate_is_watched_over_https(secure: Server) -> None:
    listen(secure, http=("", 8888))
    urls = [line.split()[1] for line in banner(secure, "s.toml").splitlines() if "watch" in line]
    assert urls[:3] == [
        "https://127.0.0.1:8888/news",
        "https://127.0.0.1:8888/news/index.m3u8",
        "https://127.0.0.1:8888/news.flv",
    ]


@pytest.mark.anyio
async def test_names_every_listener_and_url(server: Server) -> None:
    listen(server, rtmp=("", 1935), http=("", 8888), api=("127.0.0.1", 9997))
    assert banner(server, "s.toml").splitlines()[1:] == [
        "  rtmp  *:1935",
        "  http  *:8888",
        "  api   http://127.0.0.1:9997",
        "",
        "news (News)",
        "  publish  rtmp://127.0.0.1:1935/live/news",
        "  watch    http://127.0.0.1:8888/news",
        "  watch    http://127.0.0.1:8888/news/index.m3u8",
        "  watch    http://127.0.0.1:8888/news.flv",
        "  watch    http://127.0.0.1:8888/news/mpegts",
        "  watch    rtmp://127.0.0.1:1935/live/news",
        "",
        "region/a",
        "  publish  rtmp://127.0.0.1:1935/region/a?key=…",
        "  watch    rtmp://127.0.0.1:1935/region/a?key=…",
        "",
        "loop",
        "  from     file:loop.mp4",
        "  watch    http://127.0.0.1:8888/loop",
        "  watch    http://127.0.0.1:8888/loop/index.m3u8",
        "",
        "off: disabled",
    ]


@pytest.mark.anyio
async def test_shows_the_one_address_that_is_listened_on(server: Server) -> None:
    listen(server, rtmp=("::1", 1935), http=("::1", 8888))
    shown = banner(server, "s.toml")
    assert "  rtmp  [::1]:1935" in shown
    assert "rtmp://[::1]:1935/live/news" in shown


@pytest.mark.anyio
async def test_shows_each_listener_at_its_own_address(server: Server) -> None:
    listen(server, rtmp=("10.0.0.5", 1935), http=("::1", 8888))
    shown = banner(server, "s.toml")
    assert "publish  rtmp://10.0.0.5:1935/live/news" in shown
    assert "watch    rtmp://10.0.0.5:1935/live/news" in shown
    assert "watch    http://[::1]:8888/news\n" in shown
    assert "watch    http://[::1]:8888/news.flv" in shown


@pytest.mark.anyio
async def test_never_shows_a_secret(server: Server) -> None:
    listen(server, rtmp=("", 1935), http=("", 8888))
    assert "s3cret" not in banner(server, "s.toml")


def test_the_summary_is_about_the_time_since_the_last() -> None:
    summary = Summary()
    first = StreamCounters("a", on_air=True, bytes_received=1_000_000, bytes_sent=0)
    summary.line(ServerCounters(uptime_s=1, streams=[first]))
    second = StreamCounters("a", on_air=True, bytes_received=2_000_000, bytes_sent=10_000_000)
    viewers = {("rtmp", "play"): 2, ("hls", "play"): 3, ("rtmp", "publish"): 1}
    later = ServerCounters(uptime_s=3, streams=[second, StreamCounters("b")], sessions=viewers)
    assert summary.line(later) == (
        "1/2 on air · 5 viewers · in 4.0 Mbit/s · out 40.0 Mbit/s · up 0:03"
    )
    last = ServerCounters(uptime_s=4, streams=[second], sessions={("rtmp", "play"): 1})
    assert "1 viewer ·" in summary.line(last)


PUSHING = """
[listeners.rtmp]
address = ":1935"
[listeners.rtmps]
address = ":1936"
tls_cert = "cert.pem"
tls_key = "key.pem"
[streams.news]
inputs = ["publish:"]
outputs = ["rtmp"]
[[streams.news.push]]
name = "yt"
url = "rtmps://a.example/live2/s3cret"
"""


@pytest.fixture
def pushing(anyio_backend: str) -> Server:
    return Server(parse(PUSHING, "x", Registry(), {}), Registry(), FakeClock())


@pytest.mark.anyio
async def test_names_secure_listeners_and_destinations(pushing: Server) -> None:
    listen(pushing, rtmp=("", 1935), rtmps=("", 1936))
    assert banner(pushing, "s.toml").splitlines()[-5:] == [
        "news",
        "  publish  rtmp://127.0.0.1:1935/live/news",
        "  publish  rtmps://127.0.0.1:1936/live/news",
        "  watch    rtmp://127.0.0.1:1935/live/news",
        "  push     rtmps://a.example/live2/*** (yt)",
    ]


def test_what_a_url_needs_beside_it_is_hinted_at() -> None:
    users = 'users = [{ name = "ann", password = "s3cret", publish = true }]'
    text = f'[streams.news]\ninputs = ["publish:"]\n{users}\n'
    news = parse(text, "x", Registry(), {}).streams["news"]
    assert hint(news, Action.PUBLISH) == "?user=…&pass=…"
    assert hint(news, Action.PLAY) == ""
    keyed = parse(TEXT, "x", Registry(), {}).streams["region/a"]
    assert hint(keyed, Action.PLAY) == "?key=…"
