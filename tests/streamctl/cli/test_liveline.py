from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from streamctl.cli.liveline import CLEAR, LiveLine

if TYPE_CHECKING:
    import pytest


def test_output_goes_above_the_line() -> None:
    out = io.StringIO()
    line = LiveLine(out)
    line.write("before\n")
    line.show("one")
    line.write("log\n")
    line.show("two")
    line.show("")
    line.write("after\n")
    line.flush()
    assert line.isatty()
    assert out.getvalue() == (f"before\n{CLEAR}one{CLEAR}log\none{CLEAR}two{CLEAR}after\n")


def test_the_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((10, 24)))
    line = LiveLine(io.StringIO())
    line.show("x" * 50)
    assert line.line == "x" * 9
