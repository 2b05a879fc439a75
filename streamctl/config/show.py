"""Shows a configuration without its secrets: as it was resolved, and as it was written.

Where a secret was, ``***`` stands. In a text that comes back, it stands for what was there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit
from pydantic import BaseModel, SecretStr

from streamctl.config.edit import value_text
from streamctl.config.faults import SECRET_KEYS, dotted, mentions
from streamctl.config.lines import scanned
from streamctl.config.load import BOM
from streamctl.errors import ConfigError, StreamctlError
from streamctl.sdk.secret import HIDDEN
from streamctl.sdk.url import SECRET_QUERY, StreamURL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.config.lines import Path, Span
    from streamctl.config.model import Config
    from streamctl.registry import Registry

ELSEWHERE = ("env:", "file:")
"""Secrets that are not in the text."""
LOGIN = re.compile(r"(://[^\s/\"'@:]*:)[^\s/\"'@]+@")
"""A password in a URL, wherever one stands."""
KINDS = ("InputOptions", "OutputOptions", "PushOptions", "ListenerOptions")
PUSH = "push"
URL = "url"
HOOKS = "hooks"
ENVIRONMENT = "environment"

Table = dict[str, Any]


def resolved(config: Config) -> Table:
    """Everything that is in force, as plain values; without secrets, a file could say it."""
    shown: Table = plain(config)
    shown["listeners"] = {kind: flat(one) for kind, one in config.listeners.items()}
    shown["streams"] = {}
    for code, stream in config.streams.items():
        table = plain(stream)
        # Of the template, there is nothing left to say.
        for key in ("code", "runtime", "template"):
            table.pop(key)
        table |= table.pop("outputs_options", {})
        # The slate has a key of its own.
        table["inputs"] = [flat(one) for one in stream.inputs if not one.slate]
        table[PUSH] = [flat(one) for one in stream.push]
        shown["streams"][code] = table
    for below in ("defaults", "templates"):
        shown.pop(below, None)
    return shown


def flat(model: BaseModel) -> Table:
    """A model whose options stand beside its other keys, as in the file."""
    table: Table = plain(model)
    options: Table = table.pop("options", {})
    table.pop("role", None)
    return {**table, **options}


def as_toml(values: Mapping[str, Any]) -> str:
    """Plain values as TOML."""
    return tomlkit.dumps(values)


def plain(value: Any, name: str = "") -> Any:
    """A value of a configuration without secrets; what is None is left out."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, StreamURL):
        return value.redacted
    if name in SECRET_KEYS and isinstance(value, str):
        return HIDDEN if value else value
    if isinstance(value, BaseModel):
        found = {key: getattr(value, key) for key in type(value).model_fields}
        return {key: plain(one, key) for key, one in found.items() if one is not None}
    if isinstance(value, Mapping):
        hide = name in SECRET_KEYS
        return {str(key): HIDDEN if hide else plain(one) for key, one in value.items()}
    # An address is a tuple, too, but has words of its own.
    if isinstance(value, list | tuple | frozenset) and not hasattr(value, "_fields"):
        return [plain(one, name) for one in value]
    return value if isinstance(value, bool | int | float) else str(value)


def secret_names(registry: Registry) -> frozenset[str]:
    """The keys that hold secrets, those of plugins among them."""
    plugins, _ = registry.load_all()
    models = [getattr(plugin, kind) for plugin in plugins for kind in KINDS]
    models += [model for plugin in plugins for model in plugin.listeners.values()]
    found = {
        name
        for model in models
        for name, field in model.model_fields.items()
        if mentions(field.annotation, SecretStr)
    }
    return frozenset(found | (SECRET_KEYS - {"users"}) | {"key", "secret"})


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in a text."""

    path: Path
    span: Span
    written: str
    """As it stands in the text."""
    shown: str
    """What is shown instead."""

    @property
    def place(self) -> tuple[Path, str]:
        """Where it stands and what it looks like; the same for some secrets in lists."""
        return tuple(part for part in self.path if not isinstance(part, int)), self.shown


def secrets(text: str, names: frozenset[str]) -> Iterator[Secret]:
    """The secrets of a text, which must be valid TOML, in order."""
    data = tomllib.loads(text)
    for path, span in sorted(scanned(text).values.items(), key=lambda one: one[1].start):
        value = value_at(data, path)
        if isinstance(value, str):
            shown = shown_as(path, value, names)
            if shown != value:
                yield Secret(path, span, text[span.start : span.end], shown)


def shown_as(path: Path, value: str, names: frozenset[str]) -> str:
    """What is shown of a text in a configuration."""
    words = [part for part in path if isinstance(part, str)]
    hook = words[:1] == [HOOKS] and (words[-1] == URL or ENVIRONMENT in words)
    if words and (words[-1] in names or "headers" in words[:-1] or hook):
        return value if not value or value.startswith(ELSEWHERE) else HIDDEN
    with suppress(StreamctlError):
        url = StreamURL.parse(value)
        shown = (url.as_destination() if PUSH in words and words[-1] == URL else url).redacted
        if "://" in value and "#" in value:
            shown += f"#{HIDDEN}"
        # What has nothing to hide stays as it was spelt: it may be no URL at all, but a path.
        if HIDDEN in shown:
            return shown
    return LOGIN.sub(rf"\1{HIDDEN}@", value)


def hidden(text: str, names: frozenset[str]) -> str:
    """The text without its secrets, those in comments too."""
    body = text.removeprefix(BOM)
    for one in reversed(list(secrets(body, names))):
        body = body[: one.span.start] + value_text(one.shown) + body[one.span.end :]
    return blotted(body, names)


def blotted(text: str, names: frozenset[str]) -> str:
    """Any text without what looks like a secret: comments say such things, too."""
    words = "|".join(map(re.escape, sorted(names)))
    text = re.sub(rf"(\b(?:{words})\s*=\s*)(\"[^\"\n]*\"|'[^'\n]*')", blot, text)
    queries = "|".join(map(re.escape, sorted(SECRET_QUERY)))
    # Names of a query are spelt in any case, and their meaning is the same.
    text = re.sub(rf"(?i)([?&](?:{queries})=)[^\s&\"'#]+", rf"\1{HIDDEN}", text)
    return LOGIN.sub(rf"\1{HIDDEN}@", text)


def blot(found: re.Match[str]) -> str:
    """A key without its value, unless that is elsewhere."""
    quote, value = found[2][0], found[2][1:-1]
    keep = not value or value.startswith(ELSEWHERE)
    return found[0] if keep else f"{found[1]}{quote}{HIDDEN}{quote}"


def restored(text: str, before: str, names: frozenset[str]) -> str:
    """A text that was shown without its secrets, with those of ``before`` put back.

    Raises:
        ConfigError: one stands where there was none, or where it can't be told which it was.
    """
    if HIDDEN not in text:
        return text
    mark, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    known: dict[tuple[Path, str], set[str]] = {}
    exact: dict[tuple[Path, str], str] = {}
    for one in secrets(before.removeprefix(BOM), names):
        known.setdefault(one.place, set()).add(one.written)
        exact[one.path, one.shown] = one.written
    data = tomllib.loads(body)
    replacements: list[tuple[Span, str]] = []
    for path, span in scanned(body).values.items():
        value = value_at(data, path)
        if not isinstance(value, str) or not stands_for_a_secret(path, value, names):
            continue
        place = tuple(part for part in path if not isinstance(part, int)), value
        candidates = known.get(place, set())
        if len(candidates) != 1:
            candidates = same_neighbours(path, value, data, before, exact)
        if len(candidates) != 1:
            raise ConfigError(
                f"`{HIDDEN}` stands for a secret that is not known here",
                key=dotted(path),
                hint="write the secret itself, or where it is: `env:NAME`, `file:/path`",
            )
        replacements.append((span, candidates.pop()))
    for span, written in sorted(replacements, key=lambda one: one[0].start, reverse=True):
        body = body[: span.start] + written + body[span.end :]
    return mark + commented(body, before.removeprefix(BOM), names)


def commented(text: str, before: str, names: frozenset[str]) -> str:
    """The text with the comments of ``before`` that were shown without their secrets."""
    written, shown = before.split("\n"), hidden(before, names).split("\n")
    known: dict[str, set[str]] = {}
    # Secrets on several lines are shown on one: then it can't be told which comment was which.
    if len(written) == len(shown):
        for was, seen in zip(written, shown, strict=True):
            if was != seen and was.lstrip().startswith("#"):
                known.setdefault(seen, set()).add(was)
    alone = {seen: was.pop() for seen, was in known.items() if len(was) == 1}
    return "\n".join(alone.get(line, line) for line in text.split("\n"))


def stands_for_a_secret(path: Path, value: str, names: frozenset[str]) -> bool:
    """Whether something else in the place of ``***`` would be hidden."""
    if HIDDEN not in value:
        return False
    other = value.replace(HIDDEN, "other")
    return blotted(shown_as(path, other, names), names) != other


def same_neighbours(
    path: Path, value: str, data: Any, before: str, exact: dict[tuple[Path, str], str]
) -> set[str]:
    """The secret at the same place, if nothing else in its table has changed."""
    written = exact.get((path, value))
    old = value_at(tomllib.loads(before.removeprefix(BOM)), path[:-1])
    new = value_at(data, path[:-1])
    if written is None or not isinstance(old, dict) or not isinstance(new, dict):
        return set()
    key = str(path[-1])
    return {written} if {**old, key: ""} == {**new, key: ""} else set()


def value_at(data: Any, path: Path) -> Any:
    """What stands at a place; None if nothing does."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
