"""Every installed plugin keeps the contract, and the contract finds those that do not."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, Options, ProtocolPlugin
from streamctl.testing.conformance import check_listener, check_plugin

PLUGINS = sorted(entry_points(group="streamctl.protocols"), key=lambda point: point.name)
LISTENING = [point for point in PLUGINS if point.name in {"rtmp", "rtp", "rtsp", "srt"}]


@pytest.mark.parametrize("point", PLUGINS, ids=lambda point: point.name)
def test_an_installed_plugin_keeps_the_contract(point: Any) -> None:
    assert check_plugin(point.load()(), point.name) == []


def test_all_plugins_that_listen_are_tried() -> None:
    kinds = {point.name for point in PLUGINS if Cap.LISTEN in point.load().caps}
    assert kinds == {point.name for point in LISTENING}


@pytest.mark.anyio
@pytest.mark.parametrize("point", LISTENING, ids=lambda point: point.name)
async def test_an_installed_listener_keeps_the_contract(point: Any) -> None:
    assert await check_listener(point.load()()) == []


class Good(ProtocolPlugin):
    kind = "good"
    summary = "does nothing, rightly"


class Loose(BaseModel):
    depth: int


class Silent(ProtocolPlugin):
    kind = "good"


class Boastful(Good):
    caps = Cap.PULL


class Modest(Good):
    def converters(self) -> tuple[()]:
        return ()


class LooseOptions(Good):
    InputOptions: ClassVar[type[BaseModel]] = Loose


class Demanding(Good):
    class InputOptions(Options):
        depth: int


class Hidden(Good):
    caps = Cap.HTTP
    play_format: ClassVar[Format | None] = Format.MPEGTS

    def http_output(self, view: Any, options: Any, ctx: Any) -> Any:
        return None


class Future(Good):
    api = 2


@pytest.mark.parametrize(
    ("plugin", "fault"),
    [
        (Silent, "summary must be one line"),
        (Boastful, "declares Cap.PULL without source()"),
        (Modest, "implements converters() without Cap.CONVERT"),
        (LooseOptions, "InputOptions must have extra='forbid'"),
        (Demanding, "InputOptions.depth has no default"),
        (Hidden, "has viewers but no url_template"),
        (Future, "api is 2, not 1"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_planted_fault_is_found(plugin: type[ProtocolPlugin], fault: str) -> None:
    assert any(fault in line for line in check_plugin(plugin(), "good"))


def test_a_kind_must_be_the_name_of_its_entry_point() -> None:
    assert any("entry point is `other`" in line for line in check_plugin(Good(), "other"))
