"""What a session takes where it stands."""

from __future__ import annotations

import pytest

from streamctl_rtsp.wire.message import Method
from streamctl_rtsp.wire.state import ALLOWED, PUBLIC, State, allowed, listed


@pytest.mark.parametrize("state", list(State))
def test_signs_of_life_and_farewells_are_taken_anywhere(state: State) -> None:
    for method in (Method.OPTIONS, Method.GET_PARAMETER, Method.SET_PARAMETER, Method.TEARDOWN):
        assert allowed(state, method)


@pytest.mark.parametrize(
    ("state", "method"),
    [
        (State.INIT, Method.PLAY),
        (State.INIT, Method.RECORD),
        (State.DESCRIBED, Method.PLAY),
        (State.READY, Method.RECORD),
        (State.READY, Method.ANNOUNCE),
        (State.PLAYING, Method.SETUP),
        (State.ANNOUNCED, Method.RECORD),
        (State.ANNOUNCED, Method.DESCRIBE),
        (State.PREPARED, Method.PLAY),
        (State.RECORDING, Method.RECORD),
        (State.RECORDING, Method.SETUP),
        (State.RECORDING, Method.PAUSE),
    ],
)
def test_what_has_no_meaning_somewhere(state: State, method: Method) -> None:
    assert not allowed(state, method)
    assert method not in listed(state).split(", ")


def test_everything_public_is_taken_somewhere() -> None:
    assert set(PUBLIC) == frozenset().union(*ALLOWED.values())
    assert listed(State.RECORDING) == "OPTIONS, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
