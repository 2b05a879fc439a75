from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.cli.app import run
from streamctl.client import Client

if TYPE_CHECKING:
    import pytest


def test_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tui"]) == 2
    assert "`streamctl status --watch` works without one" in capsys.readouterr().err


def test_runs_the_application_with_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamctl.tui.app import StreamctlApp

    ran: list[StreamctlApp] = []

    def keep(app: StreamctlApp) -> None:
        ran.append(app)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(StreamctlApp, "run", keep)
    assert run(["tui", "--server", "http://127.0.0.1:2"]) == 0
    (app,) = ran
    assert isinstance(app.client, Client)
    assert app.client.url == "http://127.0.0.1:2"
