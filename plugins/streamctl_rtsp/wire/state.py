"""Where a session stands, and what may be asked of it there (RFC 2326 appendix A.2).

Theory of operation: a session begins with ``DESCRIBE`` or ``ANNOUNCE``, which settle whether the
client plays or records. ``SETUP`` makes it ready, once per track; ``PLAY`` and ``RECORD`` let media
flow; ``PAUSE`` makes a player ready again; ``TEARDOWN`` ends it wherever it stands.
"""

from __future__ import annotations

import enum

from streamctl_rtsp.wire.message import Method


class State(enum.Enum):
    """Where a session stands."""

    INIT = "init"
    DESCRIBED = "described"
    """The tracks are known to a player who has set up none."""
    READY = "ready"
    PLAYING = "playing"
    ANNOUNCED = "announced"
    """The tracks of a publisher are known, of which none is set up."""
    PREPARED = "prepared"
    """A publisher has set up tracks."""
    RECORDING = "recording"


ANYWHERE = frozenset({Method.OPTIONS, Method.GET_PARAMETER, Method.SET_PARAMETER, Method.TEARDOWN})
ALLOWED: dict[State, frozenset[Method]] = {
    State.INIT: ANYWHERE | {Method.DESCRIBE, Method.ANNOUNCE, Method.SETUP},
    State.DESCRIBED: ANYWHERE | {Method.DESCRIBE, Method.ANNOUNCE, Method.SETUP},
    # Some ask for another description before they begin, and some pause what doesn't play.
    State.READY: ANYWHERE | {Method.DESCRIBE, Method.SETUP, Method.PLAY, Method.PAUSE},
    State.PLAYING: ANYWHERE | {Method.DESCRIBE, Method.PLAY, Method.PAUSE},
    State.ANNOUNCED: ANYWHERE | {Method.ANNOUNCE, Method.SETUP},
    State.PREPARED: ANYWHERE | {Method.SETUP, Method.RECORD},
    State.RECORDING: ANYWHERE,
}

PUBLIC = (
    Method.OPTIONS,
    Method.DESCRIBE,
    Method.ANNOUNCE,
    Method.SETUP,
    Method.PLAY,
    Method.PAUSE,
    Method.RECORD,
    Method.GET_PARAMETER,
    Method.SET_PARAMETER,
    Method.TEARDOWN,
)
"""What a server understands, in the order of a session."""


def allowed(state: State, method: Method) -> bool:
    """Whether a session takes this method where it stands."""
    return method in ALLOWED[state]


def listed(state: State) -> str:
    """What a session takes where it stands, as an ``Allow`` header has it."""
    return ", ".join(method for method in PUBLIC if method in ALLOWED[state])
