"""What ends an outgoing connection."""

from __future__ import annotations

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.client import RtmpClient, nothing
from streamctl_rtmp.wire.client import Role
from tests.plugins.streamctl_rtmp.world import FakeWire, remote


def client() -> RtmpClient:
    url = StreamURL.parse("rtmp://h/live/x?key=secret")
    made = RtmpClient(Role.PLAY, url, lambda events: None)
    made.connected(FakeWire(made), remote())
    return made


def test_the_first_failure_counts_and_is_told_once() -> None:
    told: list[bool] = []
    made = client()
    made.on_failure = lambda: told.append(True)
    made.closed("reset by the peer")
    made.fail(ConnectionFailed("later"))
    assert isinstance(made.failure, ConnectionFailed)
    assert "reset by the peer" in str(made.failure)
    assert told == [True]


def test_errors_do_not_show_keys() -> None:
    made = client()
    made.closed("reset")
    assert "secret" not in str(made.failure)


def test_a_failed_connection_says_no_goodbye() -> None:
    made = client()
    wire = made.wire
    assert isinstance(wire, FakeWire)
    wire.taken()
    made.closed("reset")
    made.close()
    assert wire.taken() == b""
    assert wire.closed == "done"


@pytest.mark.parametrize("call", [nothing])
def test_before_anybody_waits_nothing_is_told(call: object) -> None:
    assert client().on_failure is call
