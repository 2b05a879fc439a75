"""Secrets in the configuration: written in place, or as ``env:NAME`` or ``file:/path``."""

from __future__ import annotations

import stat
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
        secret, origin = from_file(path), f"the file `{path}`"
    else:
        secret, origin = text, "it"
    if not secret:
        raise ValueError(f"{origin} is empty")
    return secret


def from_file(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: the file can't be read, or reading it may never end.
    """
    try:
        # Opening a pipe waits for whoever writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"`{path}` can't be read: not a regular file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"the file `{path}` can't be read: {reason}") from None


def from_config(value: Any, info: ValidationInfo) -> Any:
    """Resolve a text with the environment of the validation context."""
    if not isinstance(value, str):
        return value
    context = info.context or {}
    return resolve(value, context.get("environ", {}))


Secret = Annotated[SecretStr, BeforeValidator(from_config)]
"""A value that neither ``repr`` nor a dump shows; ``get_secret_value()`` reads it."""
