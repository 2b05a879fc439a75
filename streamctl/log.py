"""Logging of the commands: text for people, one JSON object a line for programs.

Records are written by a thread of their own, so that a terminal that was stopped or a full pipe
never holds up the event loop; what doesn't fit its queue is dropped and counted.
"""

from __future__ import annotations

import copy
import json
import logging
import math
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
MOST_ALIKE = 200
"""Records of one kind that are written in a minute; whoever connects often can't fill a disk."""
MOST_KINDS = 1000
"""Kinds that are told apart; a logger's records beyond them count as one."""
WINDOW_S = 60.0

TextStream = TextIO | TextIOBase
Records = queue.Queue[logging.LogRecord | None]


VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
"""What peers send is quoted in messages and shown in tables; none of it may steer a terminal."""
INDENTED = VISIBLE | {ord("\n"): "\n    "}
"""For messages of several lines, and errors: no peer can forge the beginning of a record."""


class TextFormatter(logging.Formatter):
    """``12:30:05.123 WARNING stream: message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback below it if it has one."""
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        name = record.name.removeprefix(f"{ROOT}.")
        text = f"{time:%H:%M:%S.%f}"[:-3]
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        return f"{text} {record.levelname:<7} {name}: {message.translate(INDENTED)}"


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


class Repeats:
    """Lets the first records of each kind pass in a minute, and counts the others.

    A kind is what one place in the program says, whatever it says it about.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[str, int, str], int] = {}
        self.until = 0.0
        """When the minute is over, in Unix time."""

    def admit(self, record: logging.LogRecord) -> bool:
        """Whether to write this record; debugging shows everything."""
        if record.levelno < logging.INFO:
            return True
        kind = record.name, record.levelno, str(record.msg)
        if kind not in self.seen and len(self.seen) >= MOST_KINDS:
            kind = *kind[:2], "other records"
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return self.seen[kind] <= MOST_ALIKE

    def summary(self, now: float) -> list[logging.LogRecord]:
        """A record for each kind that was cut short, once its minute is over."""
        if now < self.until:
            return []
        seen, self.seen, self.until = self.seen, {}, now + WINDOW_S
        return [
            notice(f"left out {count - MOST_ALIKE} more like `{text}`", name, level)
            for (name, level, text), count in seen.items()
            if count > MOST_ALIKE
        ]


class QueueingHandler(logging.Handler):
    """Hands records to the writing thread; never waits."""

    def __init__(self, records: Records) -> None:
        super().__init__()
        self.records = records
        self.dropped = 0
        self.repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, after a word about those that are missing before it."""
        self.sum_up(record.created)
        if self.repeats.admit(record):
            final = copy.copy(record)
            final.msg, final.args = record.getMessage(), None
            self.put(final)

    def sum_up(self, now: float) -> None:
        """Say what has been left out in the minute that is over, if one is."""
        for summary in self.repeats.summary(now):
            self.put(summary)

    def put(self, record: logging.LogRecord) -> None:
        """Queue a record, or count it as lost."""
        try:
            if self.dropped:
                self.records.put_nowait(notice(f"{self.dropped} records were lost: log not read"))
                self.dropped = 0
            self.records.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def notice(text: str, name: str = f"{ROOT}.log", level: int = logging.WARNING) -> logging.LogRecord:
    """A record of the log itself."""
    return logging.LogRecord(name, level, "", 0, text, None, None)


def write(records: Records, writer: logging.Handler) -> None:
    """Write records until a None comes: the body of the writing thread."""
    while (record := records.get()) is not None:
        writer.handle(record)


def is_text(stream: TextStream, style: str) -> bool:
    """Whether people read this stream."""
    return style == "text" or (style == "auto" and stream.isatty())


class Output:
    """Where records go, and how they look."""

    def __init__(self, stream: TextStream) -> None:
        self.stream = stream
        self.writer = logging.StreamHandler(stream)

    def adjust(self, *, level: str, style: str) -> None:
        """Go on with another level and style."""
        text = is_text(self.stream, style)
        self.writer.setFormatter(TextFormatter() if text else JsonFormatter())
        logging.getLogger(ROOT).setLevel(level.upper())


@contextmanager
def logging_to(
    stream: TextStream | None = None, *, level: str = "info", style: str = "auto"
) -> Iterator[Output]:
    """Write the records of streamctl, and the warnings of libraries, to ``stream`` meanwhile."""
    output = Output(sys.stderr if stream is None else stream)
    records: Records = queue.Queue(QUEUED_RECORDS)
    handler = QueueingHandler(records)
    thread = threading.Thread(target=write, args=(records, output.writer), name="log", daemon=True)
    top, ours = logging.getLogger(), logging.getLogger(ROOT)
    before = top.level, ours.level
    top.addHandler(handler)
    top.setLevel(logging.WARNING)
    output.adjust(level=level, style=style)
    thread.start()
    try:
        yield output
    finally:
        top.removeHandler(handler)
        handler.sum_up(math.inf)
        top.setLevel(before[0])
        ours.setLevel(before[1])
        with suppress(queue.Full):
            records.put(None, timeout=FLUSH_S)
        thread.join(FLUSH_S)
