from __future__ import annotations

import pytest

from streamctl.cli import plans
from streamctl.errors import StreamctlError
from streamctl.schema import Plan

PLAN = Plan.model_validate(
    {
        "server": [{"part": "http", "action": "move", "reason": ":1 to :2", "notices": "some"}],
        "steps": [
            {"stream": "a", "action": "update", "reason": "changed: title", "notices": "nobody"},
            {"stream": "b", "action": "start", "reason": "added"},
        ],
        "failures": {"b": "could not start"},
    }
)


def test_a_plan_says_what_happens_and_who_notices() -> None:
    assert plans.lines(PLAN) == [
        "http: move: :1 to :2 (who notices: some)",
        "stream a: update: changed: title (who notices: nobody)",
        "stream b: start: added",
        "stream b: could not start",
    ]
    assert plans.lines(Plan()) == ["nothing that runs changes"]


def test_what_was_not_done_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StreamctlError, match="not done: `b`"):
        plans.show(PLAN, json=False)
    assert "could not start" in capsys.readouterr().out
