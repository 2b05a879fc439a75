from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.engine.sessions import AGENT_CHARS, Sessions
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    import pytest


def grant(code: str, action: Action = Action.PLAY) -> Grant:
    return Grant(code, Request("rtmp", action, f"live/{code}", "10.0.0.1", 5))


def test_limits_count_connections_in_total_and_per_address() -> None:
    sessions = Sessions(FakeClock(), total=3, per_ip=2)
    assert sessions.admit("a") is None
    assert sessions.admit("a") is None
    refusal = sessions.admit("a")
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.LIMIT
    assert sessions.admit("b") is None
    assert isinstance(sessions.admit("c"), Refusal)
    sessions.release("a")
    assert sessions.admit("a") is None
    assert sessions.refused == 2


def test_who_says_much_of_itself_is_cut_short() -> None:
    """Thousands of events repeat it."""
    sessions = Sessions(FakeClock(), total=9, per_ip=9)
    wish = replace(grant("x").request, user_agent="x" * 65_536)
    assert len(sessions.open(Grant("x", wish), print).user_agent) == AGENT_CHARS


def test_sessions_are_found_by_stream_and_action_and_closed_once() -> None:
    sessions = Sessions(FakeClock(), total=9, per_ip=9)
    closed: list[str] = []
    viewer = sessions.open(grant("x"), closed.append)
    publisher = sessions.open(grant("x", Action.PUBLISH), closed.append)
    sessions.open(grant("y"), closed.append)
    assert sessions.of("x") == [viewer, publisher]
    assert sessions.of("x", Action.PUBLISH) == [publisher]
    assert viewer.peer == "10.0.0.1:5"
    assert sessions.close(viewer, "left")
    assert viewer.reason == "left"
    assert not sessions.close(viewer, "again")
    assert viewer.reason == "left"


def test_a_session_that_can_not_be_closed_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    sessions = Sessions(FakeClock(), total=9, per_ip=9)
    closed: list[str] = []

    def broken(reason: str) -> None:
        raise RuntimeError("a bug")

    opened = [sessions.open(grant("x"), broken), sessions.open(grant("x"), closed.append)]
    for session in opened:
        session.close("over")
    assert closed == ["over"]
    assert "a session could not be closed: over" in caplog.text
