from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from streamctl.errors import ConfigError, ConfigErrors, Unsupported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.control import FakeControl

NEWS = '[streams.news]  # main\ninputs = ["publish:"]\npublish_key = "hush"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(NEWS)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.toml"
    path.write_text(NEWS + "title = 'N'\n")
    return path


def test_a_right_file_is_called_right(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: right, 1 stream\n"
    assert run(["config", "check", str(file), "--json"]) == 0
    report = {"ok": True, "streams": 1, "faults": [], "remarks": [], "unknown": []}
    assert json.loads(capsys.readouterr().out) == report


def test_everything_that_is_wrong_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(NEWS + "titel = 1\nbuffer_s = 0\n")
    assert run(["config", "check", str(file)]) == 2
    said = capsys.readouterr().err
    assert f"{file}:4: streams.news.titel: unknown key" in said
    assert "did you mean `title`?" in said
    assert f"{file}:5: streams.news.buffer_s" in said
    assert run(["config", "check", str(file), "--json"]) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [(fault["line"], fault["key"]) for fault in faults] == [
        (4, "streams.news.titel"),
        (5, "streams.news.buffer_s"),
    ]


def test_two_files_are_compared(
    file: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "diff", str(file), str(file)]) == 0
    assert capsys.readouterr().out == "nothing that runs changes\n"
    assert run(["config", "diff", str(file), str(other)]) == 1
    assert capsys.readouterr().out == (
        "stream news: update: changed: title (who notices: nobody)\n"
    )
    assert run(["config", "diff", str(file), str(other), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["steps"][0]["action"] == "update"


def test_a_file_is_compared_with_a_server(
    control: FakeControl, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "diff", "server", str(other)]) == 1
    [(what, _, said, _)] = control.configuration.changes
    assert (what, said) == ("diff", {"text": other.read_text()})
    assert "stream news: update" in capsys.readouterr().out


def test_a_file_is_shown_without_its_secrets(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "show", str(file)]) == 0
    assert capsys.readouterr().out == NEWS.replace("hush", "***")
    assert run(["config", "show", str(file), "--resolved"]) == 0
    said = capsys.readouterr().out
    assert "buffer_s = 10.0" in said
    assert "hush" not in said
    assert run(["config", "show", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["streams"]["news"]["publish_key"] == "***"


def test_a_server_shows_what_it_has(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "show"]) == 0
    assert capsys.readouterr().out == control.configuration.text
    assert run(["config", "show", "server", "--resolved"]) == 0
    assert "[[streams.news.inputs]]" in capsys.readouterr().out


def test_a_server_reads_its_file_again(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reload"]) == 0
    assert capsys.readouterr().out == "stream news: update: reload (who notices: nobody)\n"
    assert run(["reload", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["failures"] == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("unknown key", key="x", hint="did you mean `y`?"), 2),
        (Unsupported("the server runs without a file"), 2),
    ],
)
def test_a_refused_reload_is_an_error(
    control: FakeControl, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    control.configuration.error = error
    assert run(["reload"]) == code
    assert str(error) in capsys.readouterr().err


def faulty(file: str) -> ConfigErrors:
    return ConfigErrors(
        [
            ConfigError("unknown key", file=file, line=2, key="x", hint="did you mean `y`?"),
            ConfigError("write a list", file=file, line=3, key="z", hint="such as `[]`"),
        ]
    )


def test_every_fault_that_a_server_finds_has_its_place_and_remedy(
    control: FakeControl, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        "error: {0}:2: x: unknown key\nhint: did you mean `y`?\n"
        "error: {0}:3: z: write a list\nhint: such as `[]`\n"
    )
    control.configuration.error = faulty("served.toml")
    assert run(["reload"]) == 2
    assert capsys.readouterr().err == said.format("served.toml")
    control.configuration.error = faulty("")
    assert run(["config", "diff", "server", str(file)]) == 2
    assert capsys.readouterr().err == said.format(file)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check"], "`config check` takes 1 file, not 0\nhint: streamctl config check FILE\n"),
        (["diff", "a"], "`config diff` takes 2 files, not 1\nhint: streamctl config diff OLD"),
        (
            ["show", "a", "b"],
            "`config show` takes 1 file, not 2\nhint: streamctl config show [FILE]",
        ),
    ],
)
def test_says_how_many_files_it_takes(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")
