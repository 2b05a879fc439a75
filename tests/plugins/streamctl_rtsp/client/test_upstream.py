"""Where URLs lead."""

from __future__ import annotations

import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.sdk.url import StreamURL
from streamctl_rtsp.client.upstream import Upstream
from streamctl_rtsp.wire.auth import Login


def upstream(text: str, *, tunnel: bool = False) -> Upstream:
    return Upstream.of(StreamURL.parse(text), tunnel=tunnel)


@pytest.mark.parametrize(
    ("text", "where", "url"),
    [
        ("rtsp://cam", ("cam", 554), "rtsp://cam"),
        ("rtsp://cam/1", ("cam", 554), "rtsp://cam/1"),
        ("RTSP://cam:8554/1?a=b&c", ("cam", 8554), "rtsp://cam:8554/1?a=b&c"),
        ("rtsps://cam/1", ("cam", 322), "rtsps://cam/1"),
        ("rtsp://u:p%40w@cam:1/x", ("cam", 1), "rtsp://cam:1/x"),
        ("rtsp://[::1]:8554/x", ("::1", 8554), "rtsp://[::1]:8554/x"),
        ("rtsp://cam/a%20b/ä c", ("cam", 554), "rtsp://cam/a%20b/%C3%A4%20c"),
        ("rtsp+http://cam/x", ("cam", 80), "rtsp://cam/x"),
        ("rtsp+https://cam/x", ("cam", 443), "rtsps://cam/x"),
    ],
)
def test_requests_name_the_url_without_its_login(
    text: str, where: tuple[str, int], url: str
) -> None:
    found = upstream(text)
    assert (found.host, found.port) == where
    assert found.url == url


def test_a_login_is_unquoted() -> None:
    assert upstream("rtsp://adm%2Fin:p%40w@cam/x").login == Login("adm/in", "p@w")
    assert upstream("rtsp://cam/x").login is None


def test_a_tunnel_is_asked_for_by_scheme_or_key() -> None:
    assert upstream("rtsp+http://cam/x").tunnel
    assert upstream("rtsp://cam/x", tunnel=True).tunnel
    assert not upstream("rtsp://cam/x").tunnel


def test_secrets_are_not_shown() -> None:
    found = upstream("rtsp://admin:s3cret@cam/x?token=abc")
    assert found.shown == "rtsp://admin:***@cam/x?token=***"
    assert "s3cret" not in repr(found)


def test_a_url_without_a_host_is_refused() -> None:
    with pytest.raises(ConfigError, match="no host"):
        upstream("rtsp:///x")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("rtsp://other:8554/y", "rtsp://other:8554/y"),
        ("/y?z", "rtsp://cam:1/y?z"),
        ("y", "rtsp://cam:1/a/y"),
        ("//other/y", "rtsp://other/y"),
    ],
)
def test_a_redirect_may_be_relative(location: str, url: str) -> None:
    assert upstream("rtsp://cam:1/a/x").elsewhere(location).url == url


def test_a_login_stays_on_its_host() -> None:
    here = upstream("rtsp://admin:pw@cam:1/x")
    assert here.elsewhere("rtsp://cam:2/y").login == Login("admin", "pw")
    assert here.elsewhere("rtsp://other:1/y").login is None
    assert here.elsewhere("rtsp://u:v@other/y").login == Login("u", "v")


@pytest.mark.parametrize("location", ["rtsp:///y", "http://other/a.m3u8", "rtsp://other:x/y"])
def test_a_redirect_to_no_rtsp_server_is_refused(location: str) -> None:
    with pytest.raises(ConnectionFailed, match="redirects to no"):
        upstream("rtsp://cam/x").elsewhere(location)


def test_a_redirect_away_from_tls_is_refused() -> None:
    assert upstream("rtsps://cam/x").elsewhere("rtsps://other/x").secure
    with pytest.raises(ConnectionFailed, match="away from TLS"):
        upstream("rtsps://cam/x").elsewhere("rtsp://cam/x")


def test_a_tunnel_stays_one_behind_a_redirect() -> None:
    assert upstream("rtsp://cam/x", tunnel=True).elsewhere("rtsp://cam/y").tunnel


def test_a_stream_key_stays_hidden_behind_a_redirect() -> None:
    url = StreamURL.parse("rtsp://there/live/s3cret-stream-key").as_destination()
    found = Upstream.of(url).elsewhere("rtsp://other/live/s3cret-stream-key")
    assert "stream-key" not in found.shown
    assert found.url == "rtsp://other/live/s3cret-stream-key"
