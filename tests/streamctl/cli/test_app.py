from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Literal

import pytest
import typer

from streamctl import __version__
from streamctl.cli.app import LazyGroup, run
from streamctl.errors import MediaError
from streamctl.registry import COMMANDS, Catalog

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs commands under entry points of their own."""
    module = types.ModuleType("acme_commands")
    monkeypatch.setitem(sys.modules, "acme_commands", module)
    entries: list[EntryPoint] = [EntryPoint("broken", "acme_absent:x", COMMANDS)]

    def add(**commands: object) -> None:
        for name, made in commands.items():
            setattr(module, name, made)
            entries.append(EntryPoint(name, f"acme_commands:{name}", COMMANDS))
        monkeypatch.setattr(LazyGroup, "catalog", Catalog(COMMANDS, entries))

    add()
    return add


def hello(name: str = "world", fail: bool = False) -> None:
    """Greet somebody.

    And more.
    """
    if fail:
        raise MediaError("no voice", hint="drink")
    typer.echo(f"hello {name}")


def picks(colour: Literal["blue", "red"]) -> None:
    """Pick a colour."""


def test_runs_a_function(install: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    install(hello=hello)
    assert run(["hello", "--name", "you"]) == 0
    assert capsys.readouterr().out == "hello you\n"


def test_runs_a_typer_application(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    application = typer.Typer()
    application.command("greet")(hello)
    application.command("other")(lambda: None)
    install(acme=application)
    assert run(["acme", "greet"]) == 0
    assert capsys.readouterr().out == "hello world\n"


def test_reports_an_error_with_its_code(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install(hello=hello)
    assert run(["hello", "--fail"]) == 5
    assert capsys.readouterr().err == "error: no voice\nhint: drink\n"


def test_help_lists_what_works_and_one_line_for_what_does_not(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install(hello=hello)
    assert run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert "hello  Greet somebody." in out
    assert "broken" not in out
    assert "generate" not in out
    assert err.count("\n") == 1
    assert err.startswith("warning: command `broken` from")


def test_help_says_of_each_command_the_whole_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "..." not in out.partition("Commands:")[2]
    assert "or deliver a test event to one of them." in " ".join(out.split())


def test_a_broken_command_that_is_asked_for_is_an_error(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["broken"]) == 2
    assert "error: `broken` from `acme_absent:x` can't be loaded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hallo"], "error: no command `hallo`\nhint: did you mean `hello`?\n"),
        (["xyz"], "error: no command `xyz`\nhint: `streamctl --help` lists them\n"),
        (["hello", "--nmae", "x"], "`streamctl hello --help` shows its options\n"),
        (["hello", "more"], "hint: `streamctl hello --help` shows its options\n"),
        (["--nope"], "hint: `streamctl --help` shows its options\n"),
        (
            ["picks", "bule"],
            "error: invalid value for 'colour': 'bule' is not one of 'blue', 'red'\n"
            "hint: `streamctl picks --help` shows its options\n",
        ),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str],
    said: str,
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(hello=hello, picks=picks)
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith(said)


def test_ctrl_c_is_130(install: Callable[..., None]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    install(interrupted=interrupted)
    assert run(["interrupted"]) == 130


def test_a_command_may_choose_its_code(install: Callable[..., None]) -> None:
    def leaves() -> None:
        raise typer.Exit(7)

    install(leaves=leaves)
    assert run(["leaves"]) == 7


def test_without_arguments_it_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: streamctl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "usage"),
    [("serve", "[FILE]"), ("push", "SRC DEST…"), ("probe", "URL|FILE"), ("tui", "")],
)
def test_help_shows_arguments_as_they_are_called(
    command: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"Usage: streamctl {command} [OPTIONS] {usage}".rstrip()
    for word in usage.split():
        assert any(line.startswith(f"  {word}  ") for line in lines)
    assert any(line.startswith("  -h, --help") for line in lines)


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["--debug", "--version"]])
def test_says_its_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    assert capsys.readouterr().out == f"streamctl {__version__}\n"


@pytest.fixture(autouse=True)
def quiet_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamctl.cli.diagnostics.Verbosity.debug", False)
