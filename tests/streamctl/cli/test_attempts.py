from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from streamctl.cli.app import run
from streamctl.engine.push import Retry

if TYPE_CHECKING:
    import pytest

NOWHERE = "rtmp://127.0.0.1:1/live/x"


def test_a_failed_attempt_is_said_once_and_the_last_is_the_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamctl.engine.push.Retry", partial(Retry, wait_s=0.01))
    assert run(["ingest", NOWHERE, "--retries", "1"]) == 3
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["warning", "error"]
    assert said[0].startswith("warning: attempt 1: ")
    assert "connection refused; the next in" in said[0]


def test_one_attempt_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", NOWHERE, "--json"]) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
