"""Tells where the keys and values of a TOML text stand.

``tomllib`` gives values without places. This scanner walks a text that ``tomllib`` has already
accepted, so it needs to find the ends of things only, not to judge them: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and list indices from the top, such as ``("streams", "news", "inputs", 0, "url")``."""

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
KEY_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""{1,3}(?!")'''
    r"""|'''.*?'''{1,3}(?!')"""
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""",
    re.DOTALL,
)
SCALAR = re.compile(r"[^,\]}#\s]+(?:[ \t]+[^,\]}#\s]+)*")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key = value`` that stands on lines of its own."""

    path: Path
    start: int
    value: Span


@dataclass(slots=True)
class Section:
    """A header, and what is below it up to the next one; the first section has no header."""

    path: Path
    header: Span
    entries: list[Entry] = field(default_factory=list)


def scan(text: str) -> dict[Path, int]:
    """The 1-based line of every key and list element; ``text`` must be valid TOML."""
    return scanned(text).lines


def scanned(text: str) -> Scanner:
    """Everything that can be told of a text; it must be valid TOML."""
    scanner = Scanner(text)
    scanner.document()
    return scanner


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of ``path``, or of its nearest ancestor that has one; 0 = unknown."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


class Scanner:
    """One pass over a text, collecting the place of each key."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.values: dict[Path, Span] = {}
        """Every value, those inside of lists and inline tables too."""
        self.sections = [Section((), Span(0, 0))]
        self.counts: dict[Path, int] = {}
        """Elements seen so far of each array of tables, by its full path."""
        self.counted_at = 0
        self.line = 1

    def document(self) -> None:
        """Walk headers and assignments up to the end."""
        table: Path = ()
        self.skip_blank()
        while self.at < len(self.text):
            start = self.at
            if self.peek() == "[":
                table = self.header()
                self.sections.append(Section(table, Span(start, self.at)))
            else:
                path = self.assignment(table)
                self.sections[-1].entries.append(Entry(path, start, self.values[path]))
            self.skip_blank()

    def header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; the path of the table that it opens."""
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        where = self.here()
        keys = self.key()
        path = (*self.resolve(keys[:-1]), keys[-1])
        if array:
            number = self.counts.get(path, 0)
            self.counts[path] = number + 1
            path = (*path, number)
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], where)
        self.at = self.text.index("]", self.at) + (2 if array else 1)
        return path

    def resolve(self, keys: Path) -> Path:
        """Insert the running index behind every key that is an array of tables."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def assignment(self, table: Path) -> Path:
        """``key = value`` in ``table``; the path of the value."""
        where = self.here()
        path = table
        for part in self.key():
            path = (*path, part)
            self.lines.setdefault(path, where)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)
        return path

    def key(self) -> Path:
        """A bare, quoted or dotted key."""
        parts: list[str] = []
        while found := KEY_PART.match(self.text, self.at):
            self.at = found.end()
            part = found.group(1)
            parts.append(unquote(part) if part[0] in "\"'" else part)
            if self.peek() != ".":
                break
            self.at += 1
        return tuple(parts)

    def value(self, path: Path) -> None:
        """Skip a value, noting what stands inside it."""
        self.skip_blank()
        start = self.at
        match self.peek():
            case "[":
                self.array(path)
            case "{":
                self.inline_table(path)
            case '"' | "'":
                self.skip(STRING)
            case _:
                self.skip(SCALAR)
        self.values[path] = Span(start, self.at)

    def array(self, path: Path) -> None:
        """``[value, …]``, which may span lines."""
        number = 0
        self.at += 1
        self.skip_blank()
        while self.peek() != "]":
            self.lines.setdefault((*path, number), self.here())
            self.value((*path, number))
            number += 1
            self.separator()
        self.at += 1

    def inline_table(self, path: Path) -> None:
        """``{ key = value, … }``."""
        self.at += 1
        self.skip_blank()
        while self.peek() != "}":
            self.assignment(path)
            self.separator()
        self.at += 1

    def separator(self) -> None:
        """An optional comma with blanks around it."""
        self.skip_blank()
        if self.peek() == ",":
            self.at += 1
            self.skip_blank()

    def skip_blank(self) -> None:
        """Blanks, line ends and comments."""
        self.skip(BLANK)

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Move behind ``pattern``, which stands here."""
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"not TOML at line {self.here()}")
        self.at = found.end()

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def here(self) -> int:
        """The line of the current position; positions only grow."""
        self.line += self.text.count("\n", self.counted_at, self.at)
        self.counted_at = self.at
        return self.line


def unquote(key: str) -> str:
    """The text of a quoted key, escapes resolved."""
    value = tomllib.loads(f"key = {key}")["key"]
    return str(value)
