"""Changes one stream in the text of a configuration and leaves every other line as it is.

Lines are replaced, inserted and cut out; comments, order and spelling stay. Comments right above a
table and right below its last key go with it. What is written in a way that lines don't separate,
such as a stream inside of an inline table, is left to ``tomlkit``. Whatever was done, the result
must read as the wanted document, or there is none.
"""

from __future__ import annotations

import re
import tomllib
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from streamctl.config.faults import BARE_KEY, dotted
from streamctl.config.lines import scanned
from streamctl.config.load import BOM
from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamctl.config.lines import Path, Section

STREAMS = "streams"
STREAM_DEPTH = 2
"""Length of the path of a stream: what is a table below it gets a header of its own."""

LINE_END = re.compile(r"(?<!\r)\n")
"""A line that ends without the carriage return that others may have."""

Table = dict[str, Any]


class Unseparated(Exception):
    """The text can't be changed by lines."""


def edited(text: str, code: str, table: Mapping[str, Any] | None) -> str:
    """The text with ``table`` as that of the stream; None takes the stream out.

    Raises:
        ConfigError: the text is not TOML, or can't be changed by program.
    """
    mark, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    try:
        before = tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}") from None
    streams = dict(before.get(STREAMS, {}))
    if table is None:
        streams.pop(code, None)
    else:
        streams[code] = dict(table)
    after = {**before, STREAMS: streams}
    if same({STREAMS: {}, **before}, after):
        return text
    ways: tuple[Callable[[str, Table, str, Table | None], str], ...] = (by_lines, by_document)
    for way in ways:
        try:
            made = way(body, before, code, streams.get(code))
            if same({STREAMS: {}, **tomllib.loads(made)}, after):
                return mark + made
        except (Unseparated, TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError):
            continue
        except RecursionError:
            raise ConfigError(
                "values stand too deep in each other", key=dotted((STREAMS, code))
            ) from None
    raise ConfigError(
        "is written in a way that a program can't change",
        key=dotted((STREAMS, code)),
        hint="edit the file; the server follows it",
    )


def by_lines(text: str, before: Table, code: str, table: Table | None) -> str:
    """Change the lines that say something else, and no other."""
    edit = LineEdit(text)
    path = (STREAMS, code)
    old = before.get(STREAMS, {}).get(code)
    if old is None:
        edit.append(path, table or {})
    elif table is None:
        edit.remove(path)
    else:
        edit.change(path, old, table)
    return edit.result()


def by_document(text: str, before: Table, code: str, table: Table | None) -> str:
    """Change the document as a whole; comments inside of what changes may be lost."""
    made = whole(text, before, code, table)
    # Lines that tomlkit makes end in its own way.
    return LINE_END.sub("\r\n", made) if not LINE_END.search(text) else made


def whole(text: str, before: Table, code: str, table: Table | None) -> str:
    """The document with another table."""
    document = tomlkit.parse(text)
    streams: Any = document.setdefault(STREAMS, {})
    if table is None:
        del streams[code]
        return document.as_string()
    old = before.get(STREAMS, {}).get(code, {})
    found: Any = streams.setdefault(code, {})
    for key in [key for key in old if key not in table]:
        del found[key]
    for key, value in table.items():
        if key not in old or not same(old[key], value):
            found[key] = value
    return document.as_string()


class LineEdit:
    """Cuts and insertions in one text, made at once by :meth:`result`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        scanner = scanned(text)
        self.sections = scanner.sections
        self.entries = {entry.path: entry for one in self.sections for entry in one.entries}
        self.changes: list[tuple[int, int, str]] = []
        self.cuts: list[tuple[int, int]] = []
        """Whole sections that go."""

    def result(self) -> str:
        """The text with all changes."""
        text = self.text
        cuts = self.closed(sorted(self.cuts))
        # What is inserted at the end of a section must not go with the gap behind it.
        self.changes = [
            (behind(start, cuts), behind(end, cuts), new) for start, end, new in self.changes
        ]
        self.changes += [(start, end, "") for start, end in cuts]
        # From the back, so that places stay true; of several at one place the first stays first,
        # but keys come before headers, which would take them in.
        ordered = sorted(self.changes, key=lambda one: (*one[:2], one[2].lstrip()[:1] == "["))
        for start, end, new in reversed(ordered):
            text = text[:start] + new + text[end:]
        return text

    def change(self, path: Path, old: Any, new: Any) -> None:
        """Have ``new`` stand where ``old`` does."""
        entry = self.entries.get(path)
        if entry is not None:
            self.changes.append((entry.value.start, entry.value.end, value_text(new)))
        elif isinstance(old, dict) and isinstance(new, dict) and (new or self.below(path)):
            self.change_table(path, old, new)
        elif self.below((*path, 0)) and is_tables(new):
            self.change_tables(path, old, new)
        else:
            self.remove(path)
            self.add(path[:-1], {str(path[-1]): new})

    def change_table(self, path: Path, old: Table, new: Table) -> None:
        """Change what differs between two tables."""
        for key in old:
            if key not in new:
                self.remove((*path, key))
            elif not same(old[key], new[key]):
                self.change((*path, key), old[key], new[key])
        self.add(path, {key: value for key, value in new.items() if key not in old})

    def change_tables(self, path: Path, old: Sequence[Table], new: Sequence[Table]) -> None:
        """Change what differs between two lists of tables; those that stay may move."""
        was, will = [repr(one) for one in old], [repr(one) for one in new]
        for what, first, last, begin, end in SequenceMatcher(None, was, will, False).get_opcodes():
            if what == "equal":
                continue
            pairs = min(last - first, end - begin)
            for number in range(pairs):
                place = (*path, first + number)
                self.change_table(place, old[first + number], new[begin + number])
            for number in range(first + pairs, last):
                self.remove((*path, number))
            text = "".join(self.block(path, one, array=True) for one in new[begin + pairs : end])
            if text:
                self.insert(self.end_of((*path, last - 1)) if last else self.top(path), text)

    def add(self, path: Path, items: Table) -> None:
        """Add keys to a table."""
        parted = bool(self.below(path))
        lines = {
            key: value
            for key, value in items.items()
            if not (parted and self.has_header(path, value))
        }
        if lines:
            at, prefix, header = self.foot(path)
            text = "".join(f"{prefix}{one}" for one in self.lines(lines))
            self.insert(at, header + text)
        blocks = [
            self.block((*path, key), value, array=isinstance(value, list))
            for key, value in items.items()
            if key not in lines
        ]
        if blocks:
            self.insert(self.end_of(path), "".join(blocks))

    def append(self, path: Path, table: Table) -> None:
        """Add a table at the end of the text."""
        lead = self.newline if self.text.strip() else ""
        self.insert(len(self.text), lead + self.block(path, table))

    def remove(self, path: Path) -> None:
        """Cut out a key, or a table with all that is below it."""
        sections = self.below(path)
        entries = [
            entry
            for section in self.sections
            if section not in sections
            for entry in section.entries
            if entry.path[: len(path)] == path
        ]
        if not sections and not entries:
            raise Unseparated
        for entry in entries:
            begin, end = self.line_start(entry.start), self.line_end(entry.value.end)
            self.changes.append((begin, end, ""))
        for section in sections:
            begin = self.comments_above(self.line_start(section.header.start))
            self.cuts.append((begin, self.content_end(section)))

    def closed(self, cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The cuts, grown so that no gap of two empty lines is left where there was one."""
        grown: list[tuple[int, int]] = []
        for begin, end in cuts:
            joined = bool(grown) and grown[-1][1] >= begin
            start = grown.pop()[0] if joined else begin
            gap = self.is_gap_above(start)
            if gap and self.is_blank(end):
                grown.append((start, self.line_end(end)))
            elif gap and start and end == len(self.text):
                grown.append((self.line_start(start - 1), end))
            else:
                grown.append((start, end))
        return grown

    def insert(self, at: int, text: str) -> None:
        """Put lines before the place ``at``, which begins a line or ends the text."""
        if at and self.text[at - 1] != "\n":
            text = self.newline + text
        self.changes.append((at, at, text))

    # Where things stand.

    def below(self, path: Path) -> list[Section]:
        """The sections of a table, its own and those of tables in it."""
        return [one for one in self.sections if path and one.path[: len(path)] == path]

    def foot(self, path: Path) -> tuple[int, str, str]:
        """Where a key is added to a table, what stands before the key, and before all keys."""
        for section in self.sections:
            if section.path == path:
                return self.keys_end(section), "", ""
        inside = [
            (section, entry)
            for section in self.sections
            for entry in section.entries
            if entry.path[: len(path)] == path
        ]
        if inside:
            section, entry = inside[-1]
            prefix = "".join(f"{key_text(part)}." for part in path[len(section.path) :])
            return self.line_end(entry.value.end), prefix, ""
        return self.top(path), "", f"[{header_text(path)}]{self.newline}"

    def top(self, path: Path) -> int:
        """Where the first section of a table begins."""
        sections = self.below(path)
        if not sections:
            raise Unseparated
        return self.comments_above(self.line_start(sections[0].header.start))

    def end_of(self, path: Path) -> int:
        """Where the last section of a table ends."""
        sections = self.below(path)
        if not sections:
            raise Unseparated
        return self.content_end(sections[-1])

    def keys_end(self, section: Section) -> int:
        """Behind the line of the last key of a section, or of its header."""
        last = section.entries[-1].value.end if section.entries else section.header.end
        return self.line_end(last)

    def content_end(self, section: Section) -> int:
        """Behind the last key of a section and the comments that follow without a gap."""
        at = self.keys_end(section)
        while self.is_comment(at):
            at = self.line_end(at)
        return at

    def comments_above(self, at: int) -> int:
        """The begin of the comments right above a line, if an empty line sets them apart.

        Those at the very begin are about the file.
        """
        begin = at
        while begin and self.is_comment(self.line_start(begin - 1)):
            begin = self.line_start(begin - 1)
        return begin if begin and self.is_gap_above(begin) else at

    def line_start(self, at: int) -> int:
        """The begin of the line of a place."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """The begin of the next line."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def line(self, at: int) -> str:
        """The line that begins at a place."""
        return self.text[at : self.line_end(at)]

    def is_comment(self, at: int) -> bool:
        """Whether nothing but a comment stands in the line."""
        return self.line(at).lstrip().startswith("#")

    def is_gap_above(self, at: int) -> bool:
        """Whether a line is the first one, or follows an empty one."""
        return not at or self.is_blank(self.line_start(at - 1))

    def is_blank(self, at: int) -> bool:
        """Whether the line is there and empty."""
        return at < len(self.text) and not self.line(at).strip()

    # What is written.

    def has_header(self, path: Path, value: Any) -> bool:
        """Whether a value is written below a header of its own."""
        return len(path) == STREAM_DEPTH and (isinstance(value, dict) or is_tables(value))

    def block(self, path: Path, value: Any, *, array: bool = False) -> str:
        """A table, or a list of tables, with headers."""
        if isinstance(value, list):
            return "".join(self.block(path, one, array=True) for one in value)
        lines = {key: one for key, one in value.items() if not self.has_header(path, one)}
        header = f"[[{header_text(path)}]]" if array else f"[{header_text(path)}]"
        text = header + self.newline + "".join(self.lines(lines))
        for key, one in value.items():
            if key not in lines:
                text += self.block((*path, key), one, array=isinstance(one, list))
        return text

    def lines(self, items: Table) -> list[str]:
        """Keys with their values, a line each."""
        return [f"{key_text(key)} = {value_text(one)}{self.newline}" for key, one in items.items()]


def behind(at: int, cuts: Iterable[tuple[int, int]]) -> int:
    """A place, or the end of the cut that it lies in."""
    return next((end for begin, end in cuts if begin < at < end), at)


def is_tables(value: Any) -> bool:
    """Whether a value is a list of tables and nothing else."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def header_text(path: Path) -> str:
    """The path as it stands in a header: without the places in lists."""
    return ".".join(key_text(part) for part in path if not isinstance(part, int))


def key_text(key: str | int) -> str:
    """A key, in quotes if it needs them."""
    text = str(key)
    return text if BARE_KEY.fullmatch(text) else string_text(text)


def value_text(value: Any) -> str:
    """A value as TOML on one line.

    Raises:
        ConfigError: TOML has no such value.
    """
    if isinstance(value, dict):
        inner = ", ".join(f"{key_text(key)} = {value_text(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(one) for one in value)}]"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, bool | int | float):
        return tomlkit.item(value).as_string()
    raise ConfigError(f"TOML has no such value: `{value}`")


def string_text(text: str) -> str:
    """A text in double quotes."""
    return tomlkit.item(text).as_string()


def same(one: Any, other: Any) -> bool:
    """Whether two values are written alike: `1`, `1.0` and `true` are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def merged(table: Mapping[str, Any], patch: Mapping[str, Any]) -> Table:
    """A table with a patch laid over it: null removes a key, tables are merged (RFC 7396)."""
    result = dict(table)
    for key, value in patch.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
