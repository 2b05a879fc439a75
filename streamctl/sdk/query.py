"""Options that the query of a URL holds, beside the table that the URL stands in.

A key may stand in either place, under its own name or under one that other programs use. In both
places it must say the same: which of two values was meant can't be known, so neither wins.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamctl.sdk.url import StreamURL

Model = TypeVar("Model", bound=BaseModel)


def as_written(name: str, text: str) -> object:
    """The value of a word whose unit is that of our key."""
    del name
    return text


def unheard(warning: str) -> None:
    """What becomes of a warning about a URL that is only judged: its user will give it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What queries of one kind may say beside the keys of its tables."""

    words: Mapping[str, str] = field(default_factory=dict)
    """What other programs call our keys, in lower case."""
    foreign: frozenset[str] = frozenset()
    """Words of other programs that are passed over, in lower case."""
    tuning: frozenset[str] = frozenset()
    """Keys whose values are left out, with a warning, if they make no sense."""
    convert: Callable[[str, str], object] = as_written
    """The value of a word, in lower case, in the unit of our key; raises ValueError."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Remedies for values of a key that make no sense."""


OWN = Dialect()
"""The keys of the tables alone."""


def with_query(
    options: Model,
    url: StreamURL,
    dialect: Dialect = OWN,
    *,
    beside: Iterable[tuple[str, str]] = (),
    warn: Callable[[str], None] = unheard,
) -> Model:
    """The options with what the URL says; of two values in the URL the later one.

    ``beside`` are keys and values that the URL has elsewhere than in its query, such as a user.

    Raises:
        ConfigError: a word is unknown, a value is none, or the table says something else.
    """
    found: dict[str, tuple[str, object]] = {}
    for name, text in (*beside, *url.query):
        low = name.lower()
        key = dialect.words.get(low, low)
        if key not in type(options).model_fields:
            if low not in dialect.foreign:
                raise unknown(name, url, type(options), dialect)
            continue
        try:
            found[key] = name, judged(options, key, dialect.convert(low, text))
        except ValueError as error:
            message = f"`{name}` in `{url.redacted}`: {reason(error)}"
            if key not in dialect.tuning:
                raise ConfigError(message, hint=dialect.hints.get(key, "")) from None
            warn(f"{message}; left out")
    for key, (name, value) in found.items():
        if key in options.model_fields_set and getattr(options, key) != value:
            raise ConfigError(
                f"`{name}` in `{url.redacted}` and the key `{key}` differ",
                hint="keep one of the two",
            )
    return options.model_copy(update={key: value for key, (_, value) in found.items()})


def judged(options: BaseModel, key: str, value: object) -> object:
    """One value as the model has it.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str) and isinstance(getattr(options, key), tuple):
        value = value.split(",")
    return getattr(type(options).model_validate({key: value}), key)


def reason(error: ValueError) -> str:
    """Why a value is none, without the value."""
    text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def unknown(name: str, url: StreamURL, model: type[BaseModel], dialect: Dialect) -> ConfigError:
    """The refusal of a word that nothing reads, with the nearest one."""
    words = sorted({*model.model_fields, *dialect.words, *dialect.foreign})
    near = difflib.get_close_matches(name.lower(), words, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"valid: {', '.join(words)}"
    return ConfigError(f"`{name}` in `{url.redacted}` is unknown", hint=hint)
