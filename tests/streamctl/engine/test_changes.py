from __future__ import annotations

from typing import Any

from streamctl.config.load import parse
from streamctl.engine.changes import tell
from streamctl.engine.diff import diff
from streamctl.engine.events import EventLog
from streamctl.registry import Registry
from streamctl.testing.clock import FakeClock

STREAM = "[streams.{}]\ninputs = ['publish:']\n{}\n"
HOOK = "[[hooks]]\nname = '{}'\nfile = 'x'\n{}\n"
TEMPLATE = "[templates.{}]\ninputs = ['publish:']\n{}\n"


def told(before: str, after: str, failures: dict[str, str] | None = None) -> list[object]:
    registry = Registry()
    old, new = (parse(text, "x.toml", registry, {}) for text in (before, after))
    plan, events = diff(old, new), EventLog(FakeClock())
    plan.failures = failures or {}
    tell(events, plan, old, new, refused=True)
    *told, last = events.history
    assert last.type == "config.changed"
    payload: Any = last.payload
    assert [step["part"] for step in payload["parts"]] == [one.part for one in plan.server]
    assert [step["stream"] for step in payload["steps"]] == [one.stream for one in plan.steps]
    return [(event.type, event.stream, event.payload) for event in told]


def three(text: str) -> tuple[str, str]:
    """Something of a kind that stays, is changed, is removed, and is added."""
    was, will = ("", ""), ("title = 'x'", "")
    if text is HOOK:
        will = ("events = ['input.*']", "")
    before = text.format("a", "") + text.format("b", was[0]) + text.format("c", "")
    return before, text.format("a", "") + text.format("b", will[0]) + text.format("d", "")


def test_streams_are_updated_and_deleted() -> None:
    change = {"action": "update", "reason": "changed: title"}
    before, after = three(STREAM)
    assert told(before, after) == [("stream.updated", "b", change), ("stream.deleted", "c", {})]
    assert told(before, after, {"b": "no"}) == [("stream.deleted", "c", {})]


def test_hooks_and_templates_come_change_and_go() -> None:
    for kind, text in (("hook", HOOK), ("template", TEMPLATE)):
        assert told(*three(text)) == [
            (f"{kind}.updated", "", {kind: "b"}),
            (f"{kind}.deleted", "", {kind: "c"}),
            (f"{kind}.created", "", {kind: "d"}),
        ]


def happened(before: str, after: str, *, refused: bool = False) -> list[tuple[str, str, object]]:
    registry = Registry()
    old, new = (parse(text, "x.toml", registry, {}) for text in (before, after))
    events = EventLog(FakeClock())
    tell(events, diff(old, new), old, new, refused=refused)
    return [(event.type, event.stream, event.payload) for event in events.history]


def test_what_changes_nothing_that_runs_is_told_by_its_name_alone() -> None:
    runs, off = STREAM.format("a", ""), "disabled = true"
    before = runs + STREAM.format("b", off) + STREAM.format("c", off)
    other = {"action": "none", "reason": "changed: title"}
    assert happened(before, runs + STREAM.format("c", f"{off}\ntitle = 'x'")) == [
        ("stream.updated", "c", other),
        ("stream.deleted", "b", {}),
    ]
    assert happened(TEMPLATE.format("t", "") + runs, runs) == [
        ("template.deleted", "", {"template": "t"})
    ]


def test_a_configuration_that_is_right_again_is_told_in_any_case() -> None:
    changed: tuple[str, str, object] = ("config.changed", "", {"parts": [], "steps": []})
    runs = STREAM.format("a", "")
    assert happened(runs, runs, refused=True) == [changed]
    before = runs + STREAM.format("b", "disabled = true")
    assert happened(before, runs, refused=True) == [("stream.deleted", "b", {}), changed]
