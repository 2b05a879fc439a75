from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run

if TYPE_CHECKING:
    from tests.support.control import FakeControl

pytestmark = pytest.mark.usefixtures("control")


def test_lists_hooks_with_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hooks"]) == 0
    head, _, alarm, command, fault = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["HOOK", "STATE", "DELIVERED"]
    assert alarm.split() == ["alarm", "failing", "7", "2", "1", "3", "https://chat.example/***"]
    assert command.split()[0] == "news.on_down"
    assert fault == "alarm: connection refused"


def test_lists_hooks_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hooks", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 2


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("news.on_down", 0, "news.on_down works: exit code 0 (0.20 s)"),
        ("alarm", 1, "alarm does not work: refused (0.20 s)"),
    ],
)
def test_a_hook_is_tried(
    capsys: pytest.CaptureFixture[str], name: str, code: int, said: str
) -> None:
    assert run(["hooks", "test", name]) == code
    assert capsys.readouterr().out.strip() == said
    assert run(["hooks", "test", name, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["ok"] is (code == 0)


def test_a_hook_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hooks", "test", "x"]) == 1
    assert "no hook `x`" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["hooks", "test"], ["hooks", "list", "alarm"]])
def test_a_test_takes_a_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str], control: FakeControl
) -> None:
    assert run(arguments) == 2
    assert "takes the name of a hook" in capsys.readouterr().err
