"""Secrets of the configuration: written in place, or as ``env:NAME`` or ``file:/path``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SecretStr, ValidationInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILE_BYTES = 65_536
"""A key is a line; a larger file is a wrong path."""


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """The secret that ``text`` stands for.

    Raises:
        ValueError: the variable is not set, the file can't be read, or it is empty.
    """
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if name not in environ:
            raise ValueError(f"the environment variable `{name}` is not set")
        secret, origin = environ[name], f"the environment variable `{name}`"
    elif text.startswith("file:"):
        path = Path(text.removeprefix("file:"))
        try:
            with path.open("rb") as file:
                secret = file.read(MAX_FILE_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ValueError(f"the file `{path}` can't be read: {reason}") from None
        origin = f"the file `{path}`"
    else:
        secret, origin = text, "it"
    if not secret:
        raise ValueError(f"{origin} is empty")
    return secret


def from_config(value: Any, info: ValidationInfo) -> Any:
    """Resolve a text with the environment of the validation context."""
    if not isinstance(value, str):
        return value
    context = info.context or {}
    return resolve(value, context.get("environ", {}))


Secret = Annotated[SecretStr, BeforeValidator(from_config)]
"""A value that neither ``repr`` nor a dump shows; ``get_secret_value()`` reads it."""
