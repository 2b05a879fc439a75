from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from streamctl.cli.app import run

if TYPE_CHECKING:
    import pytest

    from tests.support.control import FakeControl


def test_lists_what_is_installed_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", ""]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[2:]}
    assert set(lines) >= {"file", "hls", "http-ts", "rtmp"}
    assert "listen" in lines["rtmp"]
    assert "streamctl " in lines["rtmp"]


def test_prints_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", "", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["kind"] for one in found} >= {"file", "hls", "http-ts", "rtmp"}
    assert not any(one["error"] for one in found)


def test_asks_a_server(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", os.environ["STREAMCTL_SERVER"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == [one.model_dump(mode="json") for one in control.plugins()]
