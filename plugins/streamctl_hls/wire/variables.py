"""Variables of playlists: what is defined, and the text with values in the place of references.

They hold from their definition on. Values come from the tag itself, from the multivariant playlist
that named this one, or from the query of the address that the playlist came from in the end.
Specification: RFC 8216bis, sections 4.3 and 4.4.2.3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFINE = "#EXT-X-DEFINE:"
REFERENCE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]+)="([^"]*)"')
"""A name is looked at from its beginning alone: a long one without a value would cost seconds."""
SOURCES = ("NAME", "IMPORT", "QUERYPARAM")
"""Attributes that name a variable; where its value is differs."""
SUBSTITUTED = "#EXT-X-"
"""What begins otherwise and is no address is a comment, or holds a title."""


class Variables:
    """The variables of one playlist."""

    def __init__(self, url: str, imported: Mapping[str, str] | None) -> None:
        self.url = url
        self.imported = imported
        """Those of the multivariant playlist; None = there was none, or this is it."""
        self.values: dict[str, str] = {}

    def expanded(self, text: str, *, longest: int, most: int) -> str:
        """The text with values in the place of references.

        Raises:
            ValueError: a reference to nothing, a definition that is none, or more characters than
                the longest line and the whole text may have.
        """
        if DEFINE not in text:
            return text
        lines: list[str] = []
        size = 0
        for line in map(str.strip, text.splitlines()):
            filled = self.filled(line, longest) if "{$" in line else line
            if line.startswith(DEFINE):
                self.define(filled)
                continue
            size += len(filled) + 1
            if size > most:
                raise ValueError(f"its variables make more than {most} characters of it")
            lines.append(filled)
        return "\n".join(lines)

    def filled(self, line: str, longest: int) -> str:
        """A line with values in the place of references.

        Raises:
            ValueError: a reference to nothing, or too long a line.
        """
        if line.startswith("#") and not line.startswith(SUBSTITUTED):
            return line
        names = REFERENCE.findall(line)
        unknown = next((name for name in names if name not in self.values), None)
        if unknown is not None:
            raise ValueError(f"the variable `{unknown}` is not defined")
        if len(line) + sum(len(self.values[name]) for name in names) > longest:
            raise ValueError("its variables make a line too long")
        return REFERENCE.sub(lambda found: self.values[found.group(1)], line)

    def define(self, line: str) -> None:
        """Take a definition.

        Raises:
            ValueError: it is none, or a second one.
        """
        given = dict(ATTRIBUTE.findall(line))
        sources = [source for source in SOURCES if source in given]
        if len(sources) != 1:
            raise ValueError("a variable without one name (`EXT-X-DEFINE`)")
        name = given[sources[0]]
        if name in self.values:
            raise ValueError(f"the variable `{name}` is defined twice")
        value = self._value(sources[0], name, given)
        if value is None or not value.isprintable():
            raise ValueError(f"the variable `{name}` has no value here")
        self.values[name] = value

    def _value(self, source: str, name: str, given: Mapping[str, str]) -> str | None:
        if source == "NAME":
            return given.get("VALUE")
        if source == "IMPORT":
            return None if self.imported is None else self.imported.get(name)
        pairs = (pair.partition("=") for pair in urlsplit(self.url).query.split("&"))
        found = (unquote(value) for key, _, value in pairs if unquote(key) == name)
        return next(found, None) or None
