"""Logging of the commands: text for people, one JSON object a line for programs.

Records are written by a thread of their own, so that a terminal that was stopped or a full pipe
never holds up the event loop; what doesn't fit its queue is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUED_RECORDS = 10_000
"""Records that wait for a stuck terminal, some megabytes at most."""
ROOT = "streamctl"


class TextFormatter(logging.Formatter):
    """``12:30:05.123 WARNING stream: message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback below it if it has one."""
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        name = record.name.removeprefix(f"{ROOT}.")
        text = f"{time:%H:%M:%S.%f}"[:-3]
        text = f"{text} {record.levelname:<7} {name}: {record.getMessage()}"
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


class BoundedQueueHandler(logging.handlers.QueueHandler):
    """Hands records to the writing thread; never waits."""

    queue: queue.Queue[logging.LogRecord]
    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record itself: it stays in this process, and the formatter wants its parts."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a record, after a word about those that were lost before it."""
        try:
            if self.dropped:
                lost = f"{self.dropped} records were dropped, the log was not read"
                level = logging.WARNING
                notice = logging.LogRecord(f"{ROOT}.log", level, "", 0, lost, (), None)
                self.queue.put_nowait(notice)
                self.dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


@contextmanager
def logging_to(
    stream: TextIO | None = None, *, level: str = "info", style: str = "auto"
) -> Iterator[None]:
    """Write the records of streamctl and of libraries' warnings to ``stream`` meanwhile."""
    out = sys.stderr if stream is None else stream
    text = style == "text" or (style == "auto" and out.isatty())
    writer = logging.StreamHandler(out)
    writer.setFormatter(TextFormatter() if text else JsonFormatter())
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUED_RECORDS)
    handler = BoundedQueueHandler(records)
    listener = logging.handlers.QueueListener(records, writer)
    top, ours = logging.getLogger(), logging.getLogger(ROOT)
    before = top.level, ours.level
    top.addHandler(handler)
    top.setLevel(logging.WARNING)
    ours.setLevel(level.upper())
    listener.start()
    try:
        yield
    finally:
        top.removeHandler(handler)
        top.setLevel(before[0])
        ours.setLevel(before[1])
        listener.stop()
