"""Templates: keys that streams share, and prefixes under which streams come to be by themselves.

A stream that names a template has its keys, table by table; what the stream says itself wins, and
a list takes the place of the whole list. URLs of a template may say what a stream's code ends in::

    {name}       the code behind the prefix, if that is one part
    {1} to {9}   the first to the ninth part of the code behind the prefix
    {path}       the code behind the prefix, slashes and all: only in the path of a URL
    {code}       the whole code: only in the path of a URL

A part consists of letters, digits, ``_`` and ``-``, so nobody who chooses one gets to another
host, port or login than the file says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from streamctl.config.code import fault as code_fault
from streamctl.config.faults import nearest
from streamctl.sdk.url import OPAQUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streamctl.config.stream import Reading

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
NUMBERS = frozenset("123456789")
WITH_SLASHES = frozenset({"path", "code"})
KNOWN = sorted({"name", *WITH_SLASHES, *NUMBERS})
URL_KEYS = ("inputs", "push")
SLATE = "slate"

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """``[templates.<name>]`` as written, since it is merged with each of its streams."""

    name: str
    prefix: str = ""
    """Ends with a slash; empty = no stream comes to be by itself."""
    table: Table = field(default_factory=dict, repr=False)
    """Without the prefix."""


@dataclass(frozen=True, slots=True)
class Bases:
    """What stands below the own keys of streams."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)

    def named(self, own: Mapping[str, Any]) -> Template | None:
        """The template of a stream, if it names one that exists."""
        name = own.get("template", self.defaults.get("template"))
        return self.templates.get(name) if isinstance(name, str) else None


def merge(below: Mapping[str, Any], own: Mapping[str, Any]) -> Table:
    """``own`` over ``below``: tables key by key, anything else as a whole."""
    merged = dict(below)
    for key, value in own.items():
        under = merged.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            merged[key] = merge(under, value)
        else:
            merged[key] = value
    return merged


def inherited(code: str, own: Mapping[str, Any], bases: Bases) -> Table:
    """A stream's table with everything below it.

    Raises:
        ValueError: the code has no value for what a URL of the template says.
    """
    template = bases.named(own)
    if template is None:
        return merge(bases.defaults, own)
    table = merge(bases.defaults, merge(template.table, own))
    rest = code.removeprefix(template.prefix)
    for key in (SLATE, *URL_KEYS):
        # What the stream says itself is meant as it stands.
        if key in table and key not in own:
            table[key] = filled(table[key], code, rest)
    return table


def filled(value: Any, code: str, rest: str) -> Any:
    """A URL, or a list of them, with the parts of a code in their places."""
    if isinstance(value, str):
        return fill(value, code, rest)
    if isinstance(value, list):
        return [filled(one, code, rest) for one in value]
    if isinstance(value, dict) and isinstance(value.get("url"), str):
        return {**value, "url": fill(value["url"], code, rest)}
    return value


def fill(text: str, code: str, rest: str) -> str:
    """One URL.

    Raises:
        ValueError: a placeholder is unknown, has no value, or stands where it may not.
    """
    parts = rest.split("/")

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in WITH_SLASHES:
            if in_authority(text, found.start()):
                raise ValueError(f"`{{{name}}}` may stand in the path of a URL only")
            return rest if name == "path" else code
        if name == "name":
            if len(parts) != 1:
                raise ValueError(f"`{{name}}` stands for one part, but `{rest}` has {len(parts)}")
            return rest
        if name in NUMBERS:
            if int(name) > len(parts):
                raise ValueError(f"`{{{name}}}` has no value: `{rest}` has {len(parts)}")
            return parts[int(name) - 1]
        raise ValueError(f"`{{{name}}}` is unknown; known: {', '.join(KNOWN)}")

    return PLACEHOLDER.sub(value, text)


def in_authority(text: str, place: int) -> bool:
    """Whether a place of a URL lies before its path."""
    scheme, found, rest = text.partition("://")
    if not found or scheme.lower() in OPAQUE:
        return False
    start = len(text) - len(rest)
    ends = [end for sign in "/?#" if (end := rest.find(sign)) >= 0]
    return place < start + min(ends, default=len(rest))


def read_templates(tables: Mapping[str, Any], reading: Reading) -> dict[str, Template]:
    """Every template, as far as that can be told without a stream; faults are noted."""
    found = {}
    for name, table in tables.items():
        place = ("templates", name)
        if not NAME.fullmatch(name):
            reading.fault(place, "a template's name consists of letters, digits, `_` and `-`")
        if not isinstance(table, dict):
            reading.fault(place, "write a table")
            continue
        if "template" in table:
            reading.fault((*place, "template"), "a template has no template", "take it out")
        prefix = table.get("prefix", "")
        if problem := prefix_fault(prefix):
            reading.fault((*place, "prefix"), problem, "such as `cam/`")
            prefix = ""
        rest = {key: value for key, value in table.items() if key not in {"prefix", "template"}}
        found[name] = Template(name, prefix, rest)
    for one, other in overlaps(found.values()):
        for near, far in ((one, other), (other, one)):
            reading.fault(
                ("templates", near.name, "prefix"),
                f"`{near.prefix}` and `{far.prefix}` of template `{far.name}` overlap",
                "a path must lead to one template",
            )
    return found


def prefix_fault(prefix: object) -> str:
    """Why a prefix can't be one; empty when it can."""
    if not isinstance(prefix, str):
        return "write a text in quotes"
    if not prefix:
        return ""
    if not prefix.endswith("/"):
        return "a prefix ends with `/`, where parts of codes end"
    return code_fault(f"{prefix}x")


def overlaps(templates: Iterable[Template]) -> Iterator[tuple[Template, Template]]:
    """Pairs of templates that one path would both mean, also without its leading ``live/``."""
    for one, other in combinations([one for one in templates if one.prefix], 2):
        a, b = (each.prefix.removeprefix("live/") for each in (one, other))
        if a.startswith(b) or b.startswith(a):
            yield one, other


def trial(template: Template) -> str:
    """A code that a stream of the template may have."""
    texts = " ".join(strings(template.table))
    numbers = [int(name) for name in PLACEHOLDER.findall(texts) if name in NUMBERS]
    return template.prefix + "/".join("x" * max(numbers, default=1))


def strings(value: Any) -> Iterator[str]:
    """Every text in a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def template_hint(name: object, templates: Mapping[str, Template]) -> str:
    """The nearest template, or all of them."""
    if not templates:
        return "write a table `[templates.NAME]`"
    return nearest(str(name), templates)
