from __future__ import annotations

import io
import json
import logging
import sys
import threading

import pytest

from streamctl import log
from tests.support.waiting import PATIENCE_S

stream_log = logging.getLogger("streamctl.stream")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said last is written, however long the machine stands still."""
    monkeypatch.setattr(log, "FLUSH_S", 60)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_writes_text_to_a_terminal() -> None:
    out = Terminal()
    with log.logging_to(out):
        stream_log.info("stream %s: on air", "news")
    time, _, rest = out.getvalue().partition(" ")
    assert len(time) == len("12:30:05.123")
    assert rest == "INFO    stream: stream news: on air\n"


def test_what_peers_send_can_neither_steer_a_terminal_nor_forge_a_record() -> None:
    out = Terminal()
    with log.logging_to(out):
        stream_log.info("no stream `%s`", "a\x1b[31m\x9b1m\r\n12:30:05.123 INFO    ok é")
    first, second = out.getvalue().splitlines()
    assert first.endswith("no stream `a\\x1b[31m\\x9b1m\\x0d")
    assert second == "    12:30:05.123 INFO    ok é`"


def test_writes_json_elsewhere() -> None:
    out = io.StringIO()
    with log.logging_to(out):
        stream_log.warning("über %d", 5)
    record = json.loads(out.getvalue())
    assert record.pop("time").endswith("Z")
    assert record == {"level": "warning", "logger": "streamctl.stream", "message": "über 5"}


@pytest.mark.parametrize("style", ["text", "json"])
def test_tracebacks_stay_with_their_record(style: str) -> None:
    out = io.StringIO()
    with log.logging_to(out, style=style):
        try:
            raise ValueError("oops")
        except ValueError:
            stream_log.exception("failed")
    assert "ValueError: oops" in out.getvalue()
    if style == "json":
        assert "ValueError" in json.loads(out.getvalue())["traceback"]


def test_an_error_can_not_steer_a_terminal_nor_forge_a_record() -> None:
    out = io.StringIO()
    with log.logging_to(out, style="text"):
        try:
            raise ValueError("\x1b[2J\x9b2J\r\n12:30:05.123 WARNING stream: forged")
        except ValueError:
            stream_log.exception("failed")
    assert r"    ValueError: \x1b[2J\x9b2J\x0d" in out.getvalue()
    assert not {"\x1b", "\x9b", "\r"} & set(out.getvalue())
    assert [line.startswith("    ") for line in out.getvalue().splitlines()].count(False) == 1


def test_the_level_is_that_of_streamctl_and_libraries_only_warn() -> None:
    out = io.StringIO()
    with log.logging_to(out, level="debug", style="text"):
        stream_log.debug("ours")
        logging.getLogger("library").info("theirs")
        logging.getLogger("library").warning("their warning")
    assert "ours" in out.getvalue()
    assert "theirs" not in out.getvalue()
    assert "their warning" in out.getvalue()


def test_leaves_logging_as_it_was() -> None:
    top = logging.getLogger()
    before = top.level, list(top.handlers)
    with log.logging_to(io.StringIO()):
        pass
    assert (top.level, list(top.handlers)) == before


def test_a_stuck_reader_costs_records_not_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUED_RECORDS", 3)
    go_on = threading.Event()
    stuck = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            stuck.set()
            go_on.wait()
            return super().write(text)

    out = Stuck()
    with log.logging_to(out, style="text"):
        stream_log.info("record 0")
        assert stuck.wait(PATIENCE_S)
        for number in range(1, 10):
            stream_log.info("record %d", number)
        go_on.set()
    assert [line[-8:] for line in out.getvalue().splitlines()] == [f"record {n}" for n in range(4)]


def test_says_how_much_was_lost() -> None:
    handler = log.QueueingHandler(records := log.Records(1))
    for _ in range(3):
        handler.handle(said("x", 0.0))
    records.get()
    handler.handle(said("y", 0.0))
    lost = records.get()
    assert lost is not None
    assert lost.getMessage() == "2 records were lost: log not read"


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    with log.logging_to(style="text"):
        stream_log.info("hello")
    assert "hello" in capsys.readouterr().err
    assert not log.is_text(sys.stderr, "auto")


def test_what_is_said_too_often_is_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_ALIKE", 3)
    out = io.StringIO()
    with log.logging_to(out, level="debug", style="text"):
        for number in range(10):
            stream_log.info("peer %d broke off", number)
            stream_log.debug("peer %d: detail", number)
        stream_log.info("something else")
    text = out.getvalue()
    assert text.count("broke off") == 3 + 1
    assert text.count("detail") == 10
    assert "something else" in text
    assert text.splitlines()[-1].endswith(
        "INFO    stream: left out 7 more like `peer %d broke off`"
    )


def said(text: str, at: float, level: int = logging.INFO) -> logging.LogRecord:
    record = logging.LogRecord("streamctl.x", level, "", 0, text, None, None)
    record.created = at
    return record


def test_each_minute_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_ALIKE", 1)
    repeats = log.Repeats()
    assert repeats.summary(1000.0) == []
    assert [repeats.admit(said("again", 1000.0 + at)) for at in range(3)] == [True, False, False]
    assert repeats.summary(1059.9) == []
    [summary] = repeats.summary(1060.0)
    assert summary.getMessage() == "left out 2 more like `again`"
    assert (summary.name, summary.levelno) == ("streamctl.x", logging.INFO)
    assert repeats.admit(said("again", 1061.0))
    assert repeats.summary(1200.0) == []


def test_kinds_without_end_are_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_ALIKE", 2)
    monkeypatch.setattr(log, "MOST_KINDS", 5)
    repeats = log.Repeats()
    repeats.summary(0.0)
    assert sum(repeats.admit(said(f"text {n}", 0.0)) for n in range(100)) == 5 + 2
    assert len(repeats.seen) == 6
    assert [one.getMessage() for one in repeats.summary(60.0)] == [
        "left out 93 more like `other records`"
    ]
