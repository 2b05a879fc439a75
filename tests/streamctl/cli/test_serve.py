"""The server as a process: start, signals, the end."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from tests.support.process import Process, eventually

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
[log]
format = "{style}"
[api]
address = "127.0.0.1:0"
[http]
address = "127.0.0.1:0"
[listeners.rtmp]
address = "127.0.0.1:0"
"""
NEWS = '[streams.news]\ninputs = ["publish:"]\n'


def write(folder: Path, text: str = NEWS, *, style: str = "text") -> Path:
    file = folder / "s.toml"
    file.write_text(HEAD.format(style=style) + text)
    return file


def serving(file: Path) -> Process:
    return Process([sys.executable, "-m", "streamctl", "serve", str(file)], env={"NO_COLOR": "1"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_good_order_on_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    with serving(write(tmp_path)) as server:
        server.wait_line("publish  rtmp://127.0.0.1:")
        server.child.send_signal(number)
        assert server.wait() == 0, server.output
    assert "shutting down" in server.output
    assert "Traceback" not in server.output


def test_reads_the_file_again_on_sighup(tmp_path: Path) -> None:
    file = write(tmp_path)
    with serving(file) as server:
        server.wait_line("publish  rtmp://127.0.0.1:")
        server.child.send_signal(signal.SIGHUP)
        server.wait_line("configuration applied")
        file.write_text("streams = 1\n")
        server.wait_line("configuration not applied: .*streams: write a table")


def test_a_sighup_while_it_starts_is_obeyed_afterwards(tmp_path: Path) -> None:
    pipe = tmp_path / "s.toml"
    os.mkfifo(pipe)
    with serving(pipe) as server:
        # The first read of the file lasts for as long as the test wants.
        writers: list[int] = []

        def is_read() -> bool:
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            return True

        eventually(is_read, 30, "the file is read")
        server.child.send_signal(signal.SIGHUP)
        with os.fdopen(writers[0], "w") as file:
            file.write(HEAD.format(style="text") + NEWS)
        server.wait_line("configuration not applied: .*not a regular file")
        assert server.running()


def test_logs_json_without_a_banner_elsewhere(tmp_path: Path) -> None:
    with serving(write(tmp_path, style="json")) as server:
        server.wait_line("listening kind=api")
        server.child.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    records = [json.loads(line) for line in server.output.splitlines()]
    assert {record["level"] for record in records} == {"info"}


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with serving(write(tmp_path)) as first:
        port = first.wait_line(r"listening kind=rtmp address=127\.0\.0\.1:(\d+)").group(1)
        other = HEAD.replace('[listeners.rtmp]\naddress = "127.0.0.1:0"', "").format(style="text")
        taken = f'[listeners.rtmp]\naddress = "127.0.0.1:{port}"\n{NEWS}'
        (tmp_path / "other.toml").write_text(other + taken)
        with serving(tmp_path / "other.toml") as second:
            assert second.wait() == 3
    assert f"127.0.0.1:{port}" in second.output
    assert "error: " in second.output
    assert "Traceback" not in second.output


def test_checks_a_file_without_serving_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path)
    assert run(["serve", str(file), "--check"]) == 0
    assert capsys.readouterr().out == f"{file}: right, 1 stream\n"
    file.write_text("[streams.a]\ninputs = ['x']\n[streams.b]\nx = 1\n")
    assert run(["serve", str(file), "--check"]) == 2
    err = capsys.readouterr().err
    assert err.count("error: ") == 3
    assert f"error: {file}:2: streams.a.inputs[0]: not a URL: `x`" in err


def test_the_configuration_is_streams_toml_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["serve", "--check"]) == 2
    assert "error: streams.toml: can't be read: no such file" in capsys.readouterr().err
