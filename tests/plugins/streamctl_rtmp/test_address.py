"""Paths, queries and keys, in both directions."""

from __future__ import annotations

import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.address import Location, Server, port, target
from streamctl_rtmp.wire.client import Target


@pytest.mark.parametrize(
    ("app", "tc_url", "name", "path", "key"),
    [
        ("live", "rtmp://h/live", "news", "live/news", ""),
        ("", "rtmp://h:1935/", "news", "news", ""),
        ("live/news", "rtmp://h/live/news", "", "live/news", ""),
        ("live/", "rtmp://h/live/", "/news/", "live/news", ""),
        ("region", "rtmp://h/region", "secure?key=change-me", "region/secure", "change-me"),
        ("live/region", "rtmp://h/live/region", "a?key=k", "live/region/a", "k"),
        ("live?key=k", "rtmp://h/live?key=k", "news", "live/news", "k"),
        ("live", "rtmp://h/live?key=k", "news", "live/news", "k"),
        ("live?key=old", "rtmp://h/live?key=old", "news?key=new", "live/news", "new"),
        ("", "rtmp://h/live?key=k", "news", "live/news", "k"),
        ("", "", "news", "news", ""),
        ("", "rtmp://[::bad/live", "news", "news", ""),
        ("", "", "", "", ""),
    ],
)
def test_the_halves_are_joined(app: str, tc_url: str, name: str, path: str, key: str) -> None:
    location = Location.of(app, tc_url, name)
    assert location.path == path
    assert location.key == key


def test_a_login_may_stand_in_the_query() -> None:
    location = Location.of("live", "", "news?user=u&pass=p%20w&x=")
    assert (location.user, location.password) == ("u", "p w")
    assert location.query == {"user": "u", "pass": "p w", "x": ""}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtmp://h/live/news", Target("live", "news", "rtmp://h:1935/live")),
        ("rtmp://h:1936/live/news?key=k", Target("live", "news?key=k", "rtmp://h:1936/live")),
        ("rtmp://h/news", Target("", "news", "rtmp://h:1935/")),
        ("rtmp://h/live/region/a", Target("live/region", "a", "rtmp://h:1935/live/region")),
        ("rtmp://h/a/b/c/d", Target("a/b", "c/d", "rtmp://h:1935/a/b")),
        ("rtmps://h/live2/KEY", Target("live2", "KEY", "rtmps://h:443/live2")),
        ("rtmp://h/app/inst#the/key", Target("app/inst", "the/key", "rtmp://h:1935/app/inst")),
        ("rtmp://[::1]:5/live/x", Target("live", "x", "rtmp://[::1]:5/live")),
    ],
)
def test_a_url_becomes_application_and_name(url: str, expected: Target) -> None:
    assert target(StreamURL.parse(url)) == expected


@pytest.mark.parametrize("url", ["rtmp://h", "rtmp://h/", "rtmp:///live/x"])
def test_a_url_without_host_or_stream_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        target(StreamURL.parse(url))


def test_each_scheme_has_its_port() -> None:
    ports = [port(StreamURL.parse(url)) for url in ("rtmp://h/a", "rtmps://h/a", "rtmp://h:9/a")]
    assert ports == [1935, 443, 9]


def test_a_login_stands_in_the_application_alone() -> None:
    server = Server.of(StreamURL.parse("rtmp://u:p@h/live/x?key=k")).asking("a=1").asking("b=2")
    assert server.target == Target("live?b=2", "x?key=k", "rtmp://h:1935/live?b=2")


@pytest.mark.parametrize(
    ("redirect", "host", "port", "app"),
    [
        ("rtmp://other/app", "other", 1935, "app"),
        ("rtmps://other/app/inst", "other", 443, "app/inst"),
        ("rtmp://other:9/app/news", "other", 9, "app"),
        ("rtmp://other:9/app/news?key=k", "other", 9, "app"),
    ],
)
def test_a_redirect_keeps_the_stream(redirect: str, host: str, port: int, app: str) -> None:
    server = Server.of(StreamURL.parse("rtmp://h/live/news?key=k")).elsewhere(redirect)
    assert (server.host, server.port, server.secure) == (host, port, redirect[4] == "s")
    assert (server.target.app, server.target.name) == (app, "news?key=k")
    assert server.target.tc_url.endswith(f"{host}:{port}/{app}")


@pytest.mark.parametrize("redirect", ["", "nowhere", "http://h/x.flv", "rtmp:///x"])
def test_a_redirect_to_nowhere_is_refused(redirect: str) -> None:
    server = Server.of(StreamURL.parse("rtmp://h/live/news"))
    with pytest.raises(ConnectionFailed):
        server.elsewhere(redirect)


def test_a_redirect_does_not_take_a_stream_key_out_of_tls() -> None:
    server = Server.of(StreamURL.parse("rtmps://h/live/news"))
    assert server.elsewhere("rtmps://other/live").secure
    with pytest.raises(ConnectionFailed, match="away from TLS") as failure:
        server.elsewhere("rtmp://other/live/a-long-stream-key")
    assert "a-long-stream-key" not in str(failure.value)
