from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from streamctl.sdk.plugin import Cap, Options, ProtocolPlugin
from tests.streamctl.engine.rig import FakeOutput, Rig, stream_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import Handler


class Keys(Options):
    """Options of which one changes under viewers."""

    live: ClassVar[frozenset[str]] = frozenset({"window"})
    window: int = 3
    segment_s: int = 2


class Shown(FakeOutput):
    """An output that writes down what happens to it."""

    def __init__(self, view: StreamView, kind: str, log: list[str]) -> None:
        super().__init__(view)
        self.kind = kind
        self.said = log

    def start(self) -> None:
        self.said.append(f"{self.kind} start")

    def stop(self) -> None:
        self.said.append(f"{self.kind} stop")

    def routes(self) -> Mapping[str, Handler]:
        return {f"/{self.kind}": self.page}

    def adjust(self, options: Any) -> None:
        self.said.append(f"{self.kind} adjust")


class ShowPlugin(ProtocolPlugin):
    """An output of the given name."""

    caps = Cap.HTTP
    OutputOptions: ClassVar[type[BaseModel]] = Keys

    def __init__(self, kind: str, log: list[str]) -> None:
        # The name belongs to the class elsewhere; here each object is a kind of its own.
        self.kind = kind  # type: ignore[misc]
        self.log = log
        self.broken = False

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> Shown:
        if self.broken:
            raise OSError("no space left")
        return Shown(view, self.kind, self.log)


class Stage:
    """A stream with three outputs."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.plugins = {kind: ShowPlugin(kind, self.log) for kind in "xyz"}
        self.rig = Rig(*self.plugins.values())
        self.stream: Stream = self.rig.stream()

    def update(self, **keys: Any) -> list[str]:
        """What happens on the way to another configuration."""
        self.log.clear()
        self.stream.update(stream_config(**keys))
        return list(self.log)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize(
    ("keys", "done"),
    [
        ({}, []),
        ({"title": "T", "merge_ms": 50, "buffer_s": 20.0, "publish_key": "k"}, []),
        ({"outputs_options": {"x": Keys(window=5)}}, ["x adjust"]),
        ({"outputs_options": {"x": Keys(segment_s=5)}}, ["x stop", "x start"]),
        ({"outputs_options": {"x": Keys(window=5), "y": Keys()}}, ["x adjust"]),
        ({"outputs": ("x", "z")}, ["y stop"]),
        ({"outputs": ()}, ["x stop", "y stop", "z stop"]),
    ],
)
def test_a_change_concerns_its_own_outputs_only(
    stage: Stage, keys: dict[str, Any], done: list[str]
) -> None:
    assert stage.update(**keys) == done
    served = {kind for kind in "xyz" if kind in keys.get("outputs", "xyz")}
    assert set(stage.stream.outputs) - {"words"} == served
    assert {kind for kind, _ in stage.stream.routes.values()} - {"words"} == served


def test_outputs_come_back(stage: Stage) -> None:
    stage.update(outputs=("x",))
    assert stage.update() == ["y start", "z start"]


def test_a_changed_output_is_not_a_continuation_of_the_old_one(stage: Stage) -> None:
    before = stage.stream.generation
    stage.update(outputs_options={"x": Keys(segment_s=5)})
    assert stage.stream.generation > before


def test_an_output_that_can_not_begin_is_a_remark_until_it_can(stage: Stage) -> None:
    stage.update(outputs=("y",))
    stage.plugins["x"].broken = True
    assert stage.update() == ["z start"]
    assert stage.stream.notes["x"] == "can't be served: no space left"
    stage.plugins["x"].broken = False
    assert stage.update() == ["x start"]
    assert "x" not in stage.stream.notes


def test_buffers_and_patience_change_under_viewers(stage: Stage) -> None:
    stream = stage.stream
    lanes = stream.graph.entries()
    stage.update(buffer_s=30.0, buffer_bytes=3_000_000, merge_ms=100, slow_viewer_timeout_s=7.0)
    assert stream.graph.entries() == lanes
    assert stream.graph.base.bounds.seconds == 30.0
    for entry in lanes:
        assert entry.lane.bounds.max_bytes == 3_000_000
        assert (entry.fanout.merge_s, entry.fanout.slow_viewer_timeout_s) == (0.1, 7.0)


def test_viewers_of_a_format_that_is_not_served_any_more_are_told_so(stage: Stage) -> None:
    assert "words" in stage.stream.graph.settings.outputs
    stage.update(outputs=("x",))
    assert stage.stream.graph.settings.outputs == {}
