from __future__ import annotations

import pytest

from tests.support.control import FakeControl, session


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Textual reads its style sheets on the loop; the check would fault every test here."""


@pytest.fixture
def server() -> FakeControl:
    """Three streams; one with a publisher, a viewer in trouble and one without."""
    control = FakeControl()
    control.all_sessions = {
        one.id: one
        for one in (
            session("calm", user_agent="VLC/3.0"),
            session("slow", peer="192.0.2.9:1234", lag_s=6.0, skips=2, skipped_s=8.0),
            session("pub", action="publish", bytes_in=5_000_000),
            session("other", "region/a"),
        )
    }
    return control
