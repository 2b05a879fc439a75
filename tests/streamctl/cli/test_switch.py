from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from streamctl.schema import InputStatus
from tests.support.control import stream

if TYPE_CHECKING:
    from tests.support.control import FakeControl


def two_inputs(control: FakeControl) -> None:
    control.all_streams["big"] = stream(
        "big",
        inputs=[
            InputStatus(priority=0, url="publish:", kind="publish", status="active", on_air=True),
            InputStatus(priority=1, url="rtsp://cam/1", kind="rtsp", status="standby"),
        ],
    )


@pytest.mark.parametrize(("word", "priority"), [("1", 1), ("auto", None)])
def test_an_input_is_chosen(
    control: FakeControl, capsys: pytest.CaptureFixture[str], word: str, priority: int | None
) -> None:
    two_inputs(control)
    assert run(["switch", "big", word]) == 0
    assert control.switched == [("big", priority)]
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == ["* 0 active publish:", "1 standby rtsp://cam/1"]


def test_the_answer_may_be_json(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    two_inputs(control)
    assert run(["switch", "big", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["big", "best"], "no number of an input: `best`"),
        (["big", "9"], "no input 9"),
        (["nope", "0"], "`nope`"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    control: FakeControl, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    two_inputs(control)
    assert run(["switch", *words]) != 0
    assert said in capsys.readouterr().err
