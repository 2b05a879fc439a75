"""URLs of streams and tracks."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.control import MAX_QUERY_FIELDS, MAX_URL, parse_target, resolve, stripped

HOST = "rtsp://h:8554"


@pytest.mark.parametrize(
    ("url", "path", "query", "track", "base"),
    [
        ("/live/a", "live/a", {}, None, "/live/a"),
        ("/live/a/", "live/a", {}, None, "/live/a/"),
        ("/a%20b", "a b", {}, None, "/a%20b"),
        ("", "", {}, None, ""),
        ("/live/a/trackID=1", "live/a", {}, 1, "/live/a"),
        ("/live/a/trackid=12/", "live/a", {}, 12, "/live/a"),
        ("/live/a//streamid=0", "live/a", {}, 0, "/live/a/"),
        ("/live/a?key=x", "live/a", {"key": "x"}, None, "/live/a?key=x"),
        ("/live/a?key=x/", "live/a", {"key": "x"}, None, "/live/a?key=x/"),
        ("/live/a?key=x/trackID=1", "live/a", {"key": "x"}, 1, "/live/a?key=x"),
        ("/live/a/trackID=1?key=x", "live/a", {"key": "x"}, 1, "/live/a?key=x"),
        ("/live/a/trackID=1234", "live/a/trackID=1234", {}, None, "/live/a/trackID=1234"),
    ],
)
def test_targets(url: str, path: str, query: dict[str, str], track: int | None, base: str) -> None:
    for host in (HOST, "RTSPS://[::1]:8322"):
        found = parse_target(host + url)
        assert (found.path, dict(found.query), found.track) == (path, query, track)
        assert found.base == host + base


def test_a_path_alone_is_a_target() -> None:
    assert parse_target("/live/a/trackID=1").path == "live/a"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "*",
        "live/a",
        "http://h/a",
        "rtsp://[/a",
        "rtsp://h/" + "a" * MAX_URL,
        "rtsp://h/a?" + "&".join(["x=1"] * (MAX_QUERY_FIELDS + 1)),
    ],
)
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_target(url)


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        ("rtsp://h/a", "trackID=1", "rtsp://h/a/trackID=1"),
        ("rtsp://h/a/", "trackID=1", "rtsp://h/a/trackID=1"),
        ("rtsp://h/a?x=y", "trackID=1", "rtsp://h/a?x=y/trackID=1"),
        ("rtsp://h/a", "rtsp://other/b", "rtsp://other/b"),
        ("rtsp://h/a", "RTSP://other/b", "RTSP://other/b"),
        ("rtsp://h:1/a/b", "/c", "rtsp://h:1/c"),
        ("rtsp://h:1", "/c", "rtsp://h:1/c"),
        ("rtsp://h/a?x=y", "?t=1", "rtsp://h/a?t=1"),
        ("rtsp://h/a", "*", "rtsp://h/a"),
        ("rtsp://h/a", "", "rtsp://h/a"),
        ("rtsp://h/a", " track2 ", "rtsp://h/a/track2"),
    ],
)
def test_control_attributes(base: str, control: str, expected: str) -> None:
    assert resolve(base, control) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://u:p@h/a", "rtsp://h/a"),
        ("rtsp://u:p@w@h:8554/a?m=x@y", "rtsp://h:8554/a?m=x@y"),
        ("rtsp://h/a@b", "rtsp://h/a@b"),
        ("rtsp://u@h", "rtsp://h"),
        ("rtsp://u@h?x=1", "rtsp://h?x=1"),
        ("*", "*"),
    ],
)
def test_requests_name_no_login(url: str, expected: str) -> None:
    assert stripped(url) == expected


@given(st.text(max_size=60))
def test_nothing_but_protocol_errors_escapes(text: str) -> None:
    for url in (text, HOST + "/" + text, "rtsp://" + text):
        with suppress(RemoteProtocolError):
            parse_target(url)
        resolve(url, text)
        stripped(url)
