"""Turns what pydantic found into sentences: key in TOML words, value, nearest key, remedy."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from streamctl.config.lines import Path

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
SECRET_KEYS = frozenset(
    {"publish_key", "read_key", "users", "password", "value", "stream_id", "headers"}
)
"""What opens something, beside the fields whose type says so."""
SENTENCES = {
    "bool_parsing": "write `true` or `false`",
    "bool_type": "write `true` or `false`",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "write {expected}",
    "model_type": "write a table",
    "string_type": "write a text in quotes",
    "tuple_type": "write a list",
}
MAX_SHOWN = 60
"""Longer values are cut: an error is one line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, by its key path; the loader adds file and line."""

    path: Path
    message: str
    hint: str = ""


def dotted(path: Path) -> str:
    """The path as one would write it: ``streams."a/b".inputs[0].url``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if BARE_KEY.fullmatch(part) else json.dumps(part)
            text += f".{word}" if text else word
    return text


def nearest(word: str, valid: Iterable[str]) -> str:
    """A hint that names the nearest of the valid words, or all of them."""
    words = sorted(valid)
    near = difflib.get_close_matches(word, words, 1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"valid: {', '.join(f'`{name}`' for name in words)}" if words else ""


def unknown_key(path: Path, valid: Iterable[str]) -> Fault:
    """A key that nothing reads."""
    return Fault(path, "unknown key", nearest(str(path[-1]), valid))


def from_error(path: Path, error: StreamctlError | ValueError) -> Fault:
    """A refusal that a parser raised for the value at ``path``."""
    if isinstance(error, StreamctlError):
        return Fault(path, error.message, error.hint)
    return Fault(path, str(error))


def from_validation(
    path: Path, model: type[BaseModel], error: ValidationError, beside: tuple[str, ...] = ()
) -> list[Fault]:
    """What pydantic found in the table at ``path``, once per place."""
    faults: dict[Path, Fault] = {}
    for detail in error.errors(include_url=False):
        fault = explain(path, model, detail, beside)
        faults.setdefault(fault.path, fault)
    return list(faults.values())


def explain(
    table: Path, model: type[BaseModel], detail: ErrorDetails, beside: tuple[str, ...]
) -> Fault:
    """One finding of pydantic as a sentence."""
    path = (*table, *detail["loc"])
    if detail["type"] == "extra_forbidden":
        return unknown_key(path, [*keys_at(model, detail["loc"][:-1]), *beside])
    if detail["type"] == "missing":
        return Fault(path, "is missing")
    refused = "" if secret(model, detail["loc"]) else shown(path, detail["input"])
    return Fault(path, sentence(detail) + refused)


def sentence(detail: ErrorDetails) -> str:
    """What to write instead, in words of TOML; pydantic's own words for rare findings."""
    context = detail.get("ctx", {})
    if detail["type"] in SENTENCES:
        return SENTENCES[detail["type"]].format(**context)
    message = str(context["error"]) if detail["type"] == "value_error" else detail["msg"]
    return message[:1].lower() + message[1:]


def shown(path: Path, value: object) -> str:
    """The refused value behind a colon, unless it is a secret or a table."""
    if not SECRET_KEYS.isdisjoint(path[-2:]) or not isinstance(value, str | int | float):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f": `{text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '…'}`"


def secret(model: type[BaseModel], path: Path) -> bool:
    """Whether what stands at a place below ``model`` is a secret by its type."""
    return any(mentions(annotation_at(model, path[:end]), SecretStr) for end in (1, len(path)))


def mentions(annotation: object, wanted: type) -> bool:
    """Whether a type is the wanted one, or is made of it."""
    return annotation is wanted or any(mentions(one, wanted) for one in get_args(annotation))


def keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that a table below ``model`` may have."""
    found = annotation_at(model, path)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return list(found.model_fields)
    return []


def annotation_at(model: type[BaseModel], path: Path) -> object:
    """The type of what stands at a place below ``model``; None if that is not known."""
    found: object = model
    for part in path:
        if isinstance(part, int):
            found = next(iter(arguments(found)), None)
        elif isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(part)
            found = field.annotation if field else None
    return found


def arguments(annotation: Any) -> tuple[Any, ...]:
    """The element types of a list, tuple or optional annotation."""
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(arg for one in get_args(annotation) for arg in get_args(one))
    return get_args(annotation)
