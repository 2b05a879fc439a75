from __future__ import annotations

import pytest

from streamctl.sdk.session import Action, Request, Session


def session(ip: str, port: int) -> Session:
    return Session("id", "rtmp", Action.PLAY, "news", ip, port, "", 0.0, lambda reason: None)


@pytest.mark.parametrize(
    ("ip", "port", "peer"),
    [
        ("10.0.0.1", 5, "10.0.0.1:5"),
        ("10.0.0.1", 0, "10.0.0.1"),
        ("2001:db8::1", 5, "[2001:db8::1]:5"),
        ("2001:db8::1", 0, "[2001:db8::1]"),
        ("fe80::1%eth0", 5, "[fe80::1%eth0]:5"),
    ],
)
def test_a_peer_is_its_address_and_port(ip: str, port: int, peer: str) -> None:
    assert session(ip, port).peer == peer


def test_sessions_of_the_same_peer_are_different() -> None:
    first, second = session("::1", 1), session("::1", 1)
    assert first != second
    assert len({first, second, first}) == 2


def test_counters_start_at_nothing() -> None:
    made = session("::1", 1)
    assert (made.bytes_in, made.bytes_out, made.skips, made.lag, made.reason) == (0, 0, 0, 0.0, "")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("live/news", "live/news"),
        ("../../x", "../../x"),
        ("neue_straße", "neue_straße"),
        ("", ""),
        ("news;key=change-me", "news…"),
        ("news,s=change-me", "news…"),
        ("news change-me", "news…"),
        ("x" * 500, "x" * 128 + "…"),
        ("\ufffd\ufffd", "…"),
    ],
)
def test_what_may_be_a_secret_in_a_path_is_not_shown(path: str, shown: str) -> None:
    assert Request("srt", Action.PLAY, path, "10.0.0.1").shown_path == shown
