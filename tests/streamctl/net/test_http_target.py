"""Requests: where they go, what they say, and to whom."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streamctl import __version__
from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.http_target import Target
from streamctl.sdk.url import StreamURL


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://h/a.ts", "h", 80, "/a.ts"),
        ("https://h/a.ts", "h", 443, "/a.ts"),
        ("http://H.example:8888/live/x/mpegts?token=a/b&c=d", "h.example", 8888,
         "/live/x/mpegts?token=a/b&c=d"),
        ("http://[2001:db8::1]:81", "2001:db8::1", 81, "/"),
        ("http://h/a b/ü%20.ts?q=ü x#part", "h", 80, "/a%20b/%C3%BC%20.ts?q=%C3%BC%20x"),
        ("http://h/a\r\nX-Evil: 1", "h", 80, "/aX-Evil:%201"),
        ("http://Büro.example/", "xn--bro-hoa.example", 80, "/"),
    ],
)  # fmt: skip
def test_a_url_is_a_target(url: str, host: str, port: int, path: str) -> None:
    target = Target.of(url)
    assert (target.host, target.port, target.path) == (host, port, path)
    assert target.secure is url.startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "http:///a",
        "ftp://h/a",
        "h/a",
        "",
        "http://h:x/",
        "http://[/",
        "http://a..b/",
        "http://\ud800/",
    ],
)
def test_what_leads_to_no_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no HTTP server"):
        Target.of(url)


def test_a_request_says_what_is_needed() -> None:
    lines = Target.of("http://[::1]:81/a?b").request().decode().split("\r\n")
    assert lines[0] == "GET /a?b HTTP/1.1"
    assert lines[-2:] == ["", ""]
    assert set(lines[1:-2]) == {
        "Host: [::1]:81",
        "Connection: close",
        f"User-Agent: streamctl/{__version__}",
        "Accept: */*",
        "Accept-Encoding: identity",
    }


def test_a_login_and_headers_are_sent() -> None:
    target = Target.of("http://us%40er:pa%3Ass@h/", {"user-agent": "Box/1", "X-Key": "k"})
    lines = target.request().decode().split("\r\n")
    assert "Authorization: Basic dXNAZXI6cGE6c3M=" in lines
    assert "user-agent: Box/1" in lines
    assert "X-Key: k" in lines
    assert not any(line.startswith("User-Agent: streamctl") for line in lines)
    assert "us@er" not in target.url + target.shown
    assert Target.of("http://user@h/").login


@pytest.mark.parametrize(
    "headers",
    [{"X Y": "z"}, {"": "z"}, {"X": "a\r\nb"}, {"X": "a\0"}, {"Host": "h"}, {"X": "☃"}],
)
def test_headers_that_can_not_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="can't be sent"):
        Target.of("http://h/", headers)


def test_messages_show_no_query() -> None:
    assert Target.of("http://h:81/a.ts?token=secret").shown == "http://h:81/a.ts"


SECRET = {"X-Key": "k", "User-Agent": "Box/1"}


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b?c", "http://h:81/b?c"),
        ("b", "http://h:81/dir/b"),
        ("//other/b", "http://other/b"),
        ("https://other/b", "https://other/b"),
        ("?t=1", "http://h:81/dir/a?t=1"),
    ],
)
def test_a_redirect_leads_somewhere(location: str, url: str) -> None:
    assert Target.of("http://h:81/dir/a").redirected(location).url == url


def test_the_same_server_may_know_everything_again() -> None:
    found = Target.of("http://u:p@h/a", SECRET).redirected("/b")
    assert (found.login, found.headers) == (Target.of("http://u:p@h/").login, SECRET)


@pytest.mark.parametrize("location", ["http://other/b", "http://h:81/b", "https://h/b"])
def test_another_server_gets_no_secrets(location: str) -> None:
    found = Target.of("http://u:p@h/a", SECRET).redirected(location)
    assert (found.login, dict(found.headers)) == ("", {"User-Agent": "Box/1"})


def test_a_redirect_may_bring_a_login() -> None:
    found = Target.of("http://u:p@h/a").redirected("http://v:q@other/b")
    assert found.login == Target.of("http://v:q@x/").login


@pytest.mark.parametrize("location", ["ftp://h/a", "http://[", "mailto:x"])
def test_a_redirect_to_no_server_is_refused(location: str) -> None:
    with pytest.raises(ConnectionFailed, match="redirects to no HTTP server"):
        Target.of("http://h/a").redirected(location)


def test_a_redirect_away_from_tls_is_refused() -> None:
    with pytest.raises(ConnectionFailed, match="away from TLS: `http://h/b`"):
        Target.of("https://h/a").redirected("http://h/b?token=x")


def test_what_belongs_to_a_target_shares_its_login_on_its_server_alone() -> None:
    home = Target.of("https://u:p@h/a", SECRET)
    assert home.linked("https://h/b").login == home.login
    assert home.linked("https://h/b").headers == SECRET
    assert home.linked("https://other/b").login == ""
    assert home.linked("https://other/b").headers == {"User-Agent": "Box/1"}


@pytest.mark.parametrize(
    ("url", "words"), [("http://h/b", "leads away from TLS"), ("ftp://h/b", "no HTTP server")]
)
def test_some_links_are_not_followed(url: str, words: str) -> None:
    with pytest.raises(ConnectionFailed, match=words):
        Target.of("https://h/a").linked(url)


def test_a_request_says_further_things_and_may_keep_its_connection() -> None:
    request = Target.of("http://h/a").request({"Range": "bytes=0-1"}, keep=True)
    assert b"\r\nRange: bytes=0-1\r\n" in request
    assert b"\r\nConnection: keep-alive\r\n" in request


def test_the_kind_of_an_input_is_no_part_of_its_target() -> None:
    told = {"X-Key": SecretStr("k")}
    for url in ("hls+https://h/a.m3u8?b#c", "https://h/a.m3u8?b"):
        target = Target.of_input(StreamURL.parse(url), told)
        assert (target.url, target.headers) == ("https://h/a.m3u8?b", {"X-Key": "k"})
