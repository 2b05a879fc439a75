from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamctl.cli import events
from streamctl.cli.app import run
from streamctl.follow import query as events_query
from streamctl.schema import Event
from tests.support.control import TIME

if TYPE_CHECKING:
    from tests.support.control import FakeControl


def event(number: int, kind: str = "input.failed", **payload: object) -> Event:
    return Event(id=number, type=kind, stream="news", time=TIME, payload=payload)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("rtmp", "rtmp"),
        ("two words", '"two words"'),
        ("", '""'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("a=b", '"a=b"'),
        (3, "3"),
        (["h264"], '["h264"]'),
        ({"a": None}, '{"a": null}'),
    ],
)
def test_values_can_not_be_taken_for_something_else(value: object, text: str) -> None:
    assert events.shown(value) == text


def test_an_event_is_a_line() -> None:
    assert events.line(event(1, input=0, error="no answer")) == (
        f'{TIME}  news              input.failed        input=0 error="no answer"'
    )
    assert events.line(Event(id=1, type="server.stopping", time=TIME)).split() == [
        *(TIME, "-", "server.stopping")
    ]


def test_what_is_kept_is_shown(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", "--no-follow"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert run(["events", "--no-follow", "--json", "--since", "2"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == 3


def test_types_and_streams_are_chosen(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    control.kept_events = [event(1), event(2, "push.failed"), event(3, "stream.started")]
    arguments = ["events", "--no-follow", "--type", "*.failed", "--stream", "news", "--json"]
    assert run(arguments) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert run(["events", "--no-follow", "--stream", "other"]) == 0
    assert capsys.readouterr().out == ""


def test_what_can_not_be_asked_is_an_error(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["events", "--no-follow", "--type", "inputs.*"]) == 1
    assert "there are no such events: `inputs.*`" in capsys.readouterr().err


def test_without_a_server_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events"]) == 3
    assert "can't reach the server" in capsys.readouterr().err


class Enough(Exception):
    pass


def test_it_goes_on_where_it_was_when_the_server_is_back(
    control: FakeControl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends after what is kept; a real one would end with the server."""
    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        control.kept_events.append(event(len(pauses) + 3))
        if len(pauses) == 3:
            raise Enough

    monkeypatch.setattr(events, "wait", wait)
    monkeypatch.setattr("streamctl.follow.query", lambda s, t, live: events_query(s, t, live=False))
    run(["events", "--json", "--since", "1"])
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == [2, 3, 4, 5]
    assert pauses == [events.RETRY_S] * 3
    assert "waiting for it" in err


def test_a_pipe_that_is_closed_ends_it_quietly(control: FakeControl) -> None:
    control.kept_events = [event(number, x="y" * 9000) for number in range(1, 50)]
    command = [sys.executable, "-m", "streamctl", "events", "--since", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.wait(50) == 1
        assert process.stderr.read() == b""
