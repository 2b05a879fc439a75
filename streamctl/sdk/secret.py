"""Secrets in the configuration: written in place, or as ``env:NAME`` or ``file:/path``.

What peers have to say may stand there as its sum, ``sha256:BASE64``, so that whoever reads the
file does not know it. The sum has no salt and is fast: it keeps long random texts secret, not words
that can be guessed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILE_BYTES = 65_536
"""A key is a line; a larger file is a wrong path."""
HIDDEN = "***"
"""Shown in the place of secrets, so it is none: who copies what was shown must not rely on it."""
HASHED = "sha256:"
"""Begins a secret that is written as its sum."""


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """The secret that ``text`` stands for.

    Raises:
        ValueError: the variable is not set, the file can't be read, it is empty, or hidden.
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
    if secret == HIDDEN:
        raise ValueError(f"`{HIDDEN}` only stands for a secret: write the secret itself")
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


def is_hashed(secret: str) -> bool:
    """Whether only the sum of a secret is known."""
    return secret.startswith(HASHED)


def fits(secret: str, given: str) -> bool:
    """Whether what a peer said is the secret; the time that it takes tells nothing of either."""
    if is_hashed(secret):
        said = hashlib.sha256(given.encode(errors="surrogatepass"))
        return hmac.compare_digest(said.digest(), digest_of(secret))
    return alike(secret, given)


def alike(first: str, second: str) -> bool:
    """Whether two texts are the same, in a time that depends on their lengths alone."""
    return hmac.compare_digest(
        first.encode(errors="surrogatepass"), second.encode(errors="surrogatepass")
    )


def digest_of(secret: str) -> bytes:
    """The sum that a hashed secret is written as.

    Raises:
        ValueError: it is none.
    """
    try:
        digest = base64.b64decode(secret.removeprefix(HASHED), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError(f"write `{HASHED}` and 32 bytes in base64")
    return digest


def well_formed(secret: SecretStr) -> SecretStr:
    """Refuse a sum that nothing can fit."""
    text = secret.get_secret_value()
    if is_hashed(text):
        digest_of(text)
    return secret


LoginSecret = Annotated[Secret, AfterValidator(well_formed)]
"""What a peer has to say, perhaps as its sum; :func:`fits` compares."""
