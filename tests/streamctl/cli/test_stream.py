from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from streamctl.cli.stream import read
from streamctl.errors import Conflict

if TYPE_CHECKING:
    from tests.support.control import FakeControl


@pytest.mark.parametrize(
    ("words", "change"),
    [
        (["add", "cam", 'inputs=["rtsp://h/1"]', "title=My camera"],
         ("put", "cam", {"inputs": ["rtsp://h/1"], "title": "My camera"}, False)),
        (["set", "region/a", "hls.window=6", "title="],
         ("patch", "region/a", {"hls": {"window": 6}, "title": None}, False)),
        (["remove", "news", "--dry-run"], ("delete", "news", {}, True)),
        (["disable", "news"], ("patch", "news", {"disabled": True}, False)),
        (["enable", "news"], ("patch", "news", {"disabled": False}, False)),
        (["restart", "news"], ("restart", "news", {}, False)),
    ],
)  # fmt: skip
def test_a_stream_is_changed(
    control: FakeControl,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    change: tuple[object, ...],
) -> None:
    assert run(["stream", *words]) == 0
    assert control.configuration.changes == [change]
    assert capsys.readouterr().out.startswith(f"stream {change[1]}: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "news", "inputs=[]"], "there is a stream `news` already"),
        (["set", "nope", "title=N"], "`nope`"),
        (["set", "news", "title"], "not a key with a value: `title`"),
        (["set", "news", ".x=1"], "not a key with a value: `.x=1`"),
        (["set", "news", "hls=1", "hls.window=6"], "a key that has a value of its own: `hls`"),
        (["set", "news"], "`set` takes keys"),
        (["remove", "news", "title=N"], "`remove` takes no keys"),
        (["add", "x", "title=N"], "a stream needs inputs"),
    ],
)
def test_what_can_not_be_done_is_said(
    control: FakeControl, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["stream", *words]) != 0
    assert said in capsys.readouterr().err
    assert control.configuration.changes == []


def test_a_file_that_was_changed_is_an_error(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    control.configuration.error = Conflict("`s.toml` was changed", hint="`streamctl reload`")
    assert run(["stream", "disable", "news"]) == 1
    assert "`streamctl reload`" in capsys.readouterr().err


def test_values_are_toml_or_else_text() -> None:
    assert read(["a=1", "b=true", "c=1.5", 'd="1"', "e=two words", "f=[1, 2]", "g.h.i=x=y"]) == {
        "a": 1,
        "b": True,
        "c": 1.5,
        "d": "1",
        "e": "two words",
        "f": [1, 2],
        "g": {"h": {"i": "x=y"}},
    }
