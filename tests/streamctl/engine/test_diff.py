from __future__ import annotations

from typing import Any, ClassVar

import pytest

from streamctl.config.address import Address
from streamctl.config.model import ApiConfig, Config, LogConfig, PushConfig
from streamctl.engine.diff import diff
from streamctl.sdk.plugin import Empty, Options
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import stream_config


class Colours(Options):
    hue: int = 0


def config(**streams: dict[str, Any]) -> Config:
    return Config(streams={code: stream_config(code, **keys) for code, keys in streams.items()})


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        ({}, {"a": {}}, "start"),
        ({"a": {}}, {}, "stop"),
        ({"a": {}}, {"a": {"disabled": True}}, "stop"),
        ({"a": {"disabled": True}}, {"a": {}}, "start"),
        ({"a": {}}, {"a": {"title": "A"}}, "update"),
        ({"a": {}}, {"a": {"merge_ms": 100}}, "restart"),
        ({"a": {}}, {"a": {"url": "words://x"}}, "restart"),
    ],
)
def test_each_change_has_its_action(old: dict[str, Any], new: dict[str, Any], action: str) -> None:
    (step,) = diff(config(**old), config(**new)).steps
    assert (step.stream, step.action) == ("a", action)
    assert step.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": {}, "b": {}}, {"b": {}, "a": {}}),
        ({}, {"a": {"disabled": True}}),
        ({"a": {"disabled": True}}, {}),
        ({"a": {"disabled": True}}, {"a": {"disabled": True, "title": "x"}}),
    ],
)
def test_what_does_not_run_and_did_not_run_needs_nothing(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert diff(config(**old), config(**new)).steps == []


def test_a_change_of_one_stream_names_no_other() -> None:
    old = config(a={}, b={}, c={})
    new = config(a={}, b={"publish_key": "new"}, c={})
    assert [(s.stream, s.reason) for s in diff(old, new).steps] == [("b", "changed: publish_key")]


def test_who_may_no_more_is_all_that_a_change_of_access_concerns() -> None:
    was = config(a={"publish_key": "old"})
    will = config(a={"publish_key": "new", "max_viewers": 3})
    (step,) = diff(was, will).steps
    assert (step.action, step.notices) == ("update", "who may no more is disconnected")


def test_sections_that_need_a_restart_are_named() -> None:
    old = Config()
    new = Config(api=ApiConfig(address=Address("127.0.0.1", 1)), log=LogConfig(level="debug"))
    assert diff(old, new).restart_required == ["api.address"]


class Tuned(Options):
    """Options of which one changes under viewers."""

    live: ClassVar[frozenset[str]] = frozenset({"window"})
    window: int = 12
    segment_s: int = 2


@pytest.mark.parametrize(
    ("old", "new", "reason", "notices"),
    [
        ({}, {"hls": Tuned(window=5)}, "changed: hls.window", "nobody"),
        ({"hls": Tuned(window=5)}, {}, "changed: hls.window", "nobody"),
        (
            {"hls": Tuned()},
            {"hls": Tuned(window=5, segment_s=4)},
            "changed: hls.window, hls.segment_s",
            "its viewers over hls start anew",
        ),
    ],
)
def test_options_of_an_output_concern_its_viewers_at_most(
    old: dict[str, Any], new: dict[str, Any], reason: str, notices: str
) -> None:
    was, will = config(a={"outputs_options": old}), config(a={"outputs_options": new})
    (step,) = diff(was, will).steps
    assert (step.action, step.reason, step.notices) == ("update", reason, notices)


def test_spelling_a_default_out_changes_nothing_for_viewers() -> None:
    was, will = config(a={}), config(a={"outputs_options": {"hls": Tuned()}})
    assert [step.notices for step in diff(was, will).steps] in ([], ["nobody"])


def test_other_keys_beside_options_restart_the_stream() -> None:
    was = config(a={})
    will = config(a={"outputs_options": {"hls": Tuned(window=5)}, "merge_ms": 100})
    (step,) = diff(was, will).steps
    assert step.action == "restart"
    assert "hls.window" in step.reason


def push(name: str, url: str = "", **keys: Any) -> PushConfig:
    parsed = StreamURL.parse(url or f"sink://{name}.example/live/secret-key").as_destination()
    return PushConfig(name=name, url=parsed, **{"options": Empty(), **keys})


@pytest.mark.parametrize(
    ("new", "reason", "notices"),
    [
        ([push("a"), push("b"), push("c")], "push `c` added", "nobody"),
        ([push("a")], "push `b` removed", "`b` is left"),
        ([push("a"), push("b", retry_s=9, hold=False)], "push `b` (retry_s, hold)", "nobody"),
        ([push("a"), push("c", push("b").url.raw)], "push `b` (name)", "nobody"),
        (
            [push("a"), push("b", "sink://other.example/x")],
            "push `b` added, push `b` removed",
            "`b` is left",
        ),
        ([push("a"), push("b", options=Colours(hue=1))], "push `b` (options)", "`b` is left"),
    ],
)
def test_pushes_change_without_a_restart(new: list[PushConfig], reason: str, notices: str) -> None:
    old = config(a={"push": (push("a"), push("b"))})
    (step,) = diff(old, config(a={"push": tuple(new)})).steps
    assert (step.action, step.reason) == ("update", f"changed: {reason}")
    assert step.notices == notices
    assert "secret" not in str(step)
