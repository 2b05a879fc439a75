"""Logging of the commands: text for people, one JSON object a line for programs.

Records are written by a thread of their own, so that a terminal that was stopped or a full pipe
never holds up the event loop; what doesn't fit its queue is dropped and counted.
"""

from __future__ import annotations

import copy
import json
import logging
import queue
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOBase
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUED_RECORDS = 10_000
"""Records that wait for a stuck terminal, some megabytes at most."""
FLUSH_S = 2.0
"""How long the end of the log may hold up the end of the program."""
ROOT = "streamctl"

TextStream = TextIO | TextIOBase
Records = queue.Queue[logging.LogRecord | None]


VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
"""What peers send is quoted in messages and shown in tables; none of it may steer a terminal."""
INDENTED = VISIBLE | {ord("\n"): "\n    "}
"""For messages of several lines; no peer can forge the beginning of a record."""


class TextFormatter(logging.Formatter):
    """``12:30:05.123 WARNING stream: message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback below it if it has one."""
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        name = record.name.removeprefix(f"{ROOT}.")
        text = f"{time:%H:%M:%S.%f}"[:-3]
        message = record.getMessage().translate(INDENTED)
        text = f"{text} {record.levelname:<7} {name}: {message}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; a traceback is one of its values."""
        time = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


class QueueingHandler(logging.Handler):
    """Hands records to the writing thread; never waits."""

    def __init__(self, records: Records) -> None:
        super().__init__()
        self.records = records
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, after a word about those that were lost before it."""
        final = copy.copy(record)
        final.msg, final.args = record.getMessage(), None
        try:
            if self.dropped:
                self.records.put_nowait(notice(f"{self.dropped} records were lost: log not read"))
                self.dropped = 0
            self.records.put_nowait(final)
        except queue.Full:
            self.dropped += 1


def notice(text: str) -> logging.LogRecord:
    """A warning of the log itself."""
    return logging.LogRecord(f"{ROOT}.log", logging.WARNING, "", 0, text, None, None)


def write(records: Records, writer: logging.Handler) -> None:
    """Write records until a None comes: the body of the writing thread."""
    while (record := records.get()) is not None:
        writer.handle(record)


def is_text(stream: TextStream, style: str) -> bool:
    """Whether people read this stream."""
    return style == "text" or (style == "auto" and stream.isatty())


@contextmanager
def logging_to(
    stream: TextStream | None = None, *, level: str = "info", style: str = "auto"
) -> Iterator[None]:
    """Write the records of streamctl, and the warnings of libraries, to ``stream`` meanwhile."""
    out = sys.stderr if stream is None else stream
    writer = logging.StreamHandler(out)
    writer.setFormatter(TextFormatter() if is_text(out, style) else JsonFormatter())
    records: Records = queue.Queue(QUEUED_RECORDS)
    handler = QueueingHandler(records)
    thread = threading.Thread(target=write, args=(records, writer), name="log", daemon=True)
    top, ours = logging.getLogger(), logging.getLogger(ROOT)
    before = top.level, ours.level
    top.addHandler(handler)
    top.setLevel(logging.WARNING)
    ours.setLevel(level.upper())
    thread.start()
    try:
        yield
    finally:
        top.removeHandler(handler)
        top.setLevel(before[0])
        ours.setLevel(before[1])
        with suppress(queue.Full):
            records.put(None, timeout=FLUSH_S)
        thread.join(FLUSH_S)
