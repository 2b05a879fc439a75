from __future__ import annotations

import pytest

from streamctl.cli import diagnostics
from streamctl.errors import (
    ConfigError,
    ConfigErrors,
    ConnectionFailed,
    MediaError,
    RemoteProtocolError,
    StreamctlError,
    UnknownScheme,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StreamctlError("x"), 1),
        (ConfigError("x"), 2),
        (UnknownScheme("x"), 2),
        (ConnectionFailed("x"), 3),
        (RemoteProtocolError("x"), 4),
        (MediaError("x"), 5),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (ExceptionGroup("", [ExceptionGroup("", [MediaError("x")])]), 5),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130),
    ],
)
def test_the_exit_code_is_that_of_the_error(error: BaseException, code: int) -> None:
    assert diagnostics.report(error) == code


def test_says_message_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    diagnostics.report(StreamctlError("it broke", hint="mend it"))
    assert capsys.readouterr() == ("", "error: it broke\nhint: mend it\n")


def test_says_every_fault_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [ConfigError("one", file="x", line=1), ConfigError("two", file="x", key="k", hint="h")]
    assert diagnostics.report(ConfigErrors(faults)) == 2
    assert capsys.readouterr().err == "error: x:1: one\nerror: x: k: two\nhint: h\n"


def test_a_bug_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    diagnostics.report(ValueError("oops"))
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected ValueError: oops\nhint: this is a bug")
    assert "Traceback" not in said


def test_debug_shows_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics.Verbosity, "debug", True)
    try:
        raise MediaError("bad")
    except MediaError as error:
        diagnostics.report(error)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("error: bad\n")


@pytest.mark.parametrize(
    ("no_colour", "said"), [("", "\x1b[1;33mwarning\x1b[0m: x\n"), ("1", "warning: x\n")]
)
def test_colour_is_for_terminals_that_want_it(
    no_colour: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_colour)
    diagnostics.warning("x")
    assert capsys.readouterr().err == said
