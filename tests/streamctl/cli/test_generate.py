"""What is generated from the commands is what the repository carries."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from streamctl.cli.app import run
from streamctl.cli.generate import files
from streamctl.cli.manual import commands, program
from tests.support.tools import tool

TOP = Path(__file__).parents[3]
GENERATED = files((TOP / "streams.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_the_committed_file_is_current(name: str) -> None:
    assert (TOP / name).read_text("utf-8") == GENERATED[name], "run `make generate`"


def test_nothing_else_is_committed() -> None:
    found = [path for folder in ("man", "completions") for path in (TOP / folder).rglob("*")]
    assert {str(path.relative_to(TOP)) for path in found if path.is_file()} == set(GENERATED)


def test_writes_only_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(TOP / "streams.toml", tmp_path)
    assert run(["generate", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(GENERATED)
    assert (tmp_path / "man/man1/streamctl.1").read_text("utf-8") == GENERATED[
        "man/man1/streamctl.1"
    ]
    assert run(["generate", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_every_command_and_option_is_in_every_page_and_script() -> None:
    for command in commands():
        page = GENERATED[f"man/man1/streamctl-{command.name}.1"]
        for option in command.options:
            for name in option.names:
                assert f"\\fB{name}".replace("-", "\\-") in page
                assert name in GENERATED["completions/streamctl.bash"]
                assert name in GENERATED["completions/_streamctl"]
                assert name.lstrip("-") in GENERATED["completions/streamctl.fish"]
    assert {command.name for command in commands()} >= {"serve", "push", "probe", "status", "tui"}
    assert {name for one in program().options for name in one.names} >= {"--version", "--debug"}


@pytest.mark.parametrize("name", [name for name in sorted(GENERATED) if name.startswith("man/")])
def test_pages_are_clean(name: str) -> None:
    done = subprocess.run(
        [tool("mandoc"), "-T", "lint", "-W", "style", str(TOP / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""


def bash(*words: str) -> list[str]:
    """What bash offers for the last word."""
    script = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _streamctl;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [tool("bash"), "-c", script, str(TOP / "completions/streamctl.bash"), "streamctl", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=TOP,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["se"], ["serve"]),
        (["--deb"], ["--debug"]),
        (["serve", "--log-level", "w"], ["warning"]),
        (["serve", "streams"], ["streams.toml"]),
        (["--debug", "status", "--wa"], ["--watch"]),
        (["push", "--retries", ""], []),
        (["hooks", "te"], ["test"]),
        (["events", "--no"], ["--no-follow"]),
    ],
)
def test_bash_completes(words: list[str], offered: list[str]) -> None:
    assert bash(*words) == offered


@pytest.mark.parametrize(("shell", "name"), [("zsh", "_streamctl"), ("fish", "streamctl.fish")])
def test_other_shells_can_read_theirs(shell: str, name: str) -> None:
    subprocess.run([tool(shell), "-n", str(TOP / "completions" / name)], check=True)
