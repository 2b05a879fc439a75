"""Sources and destinations as they are typed: URLs, paths, and names of where a URL stands.

A URL with a key in it would be seen by everybody who lists processes; ``env:NAME`` and ``-``
(standard input) keep it out of the command line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError, MediaError
from streamctl.sdk.url import SCHEME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STDIN = "-"
VARIABLE = "env:"


def source(text: str) -> str:
    """A source as a URL; a path, also a relative one, becomes absolute.

    Raises:
        ConfigError: an empty text, or a variable that is not set.
        MediaError: there is no such file.
    """
    if not text:
        raise empty("source")
    if text.startswith(VARIABLE):
        return variable(text)
    if SCHEME.match(text) is None or Path(text).exists():
        return str(found(Path(text).absolute()))
    return text


def found(path: Path) -> Path:
    """The path of a file that is there.

    Raises:
        MediaError: it is not.
    """
    try:
        path.stat()
    except OSError as error:
        raise MediaError(
            f"can't read `{path}`: {(error.strerror or str(error)).lower()}",
            hint="name a file, or a URL such as `rtmp://HOST/live/news`",
        ) from None
    return path


def destinations(texts: Sequence[str]) -> list[str]:
    """Destinations as URLs, in order, each once.

    Raises:
        ConfigError: an empty text, a variable that is not set, or nothing on standard input.
    """
    return list(dict.fromkeys(url for text in texts for url in expand(text)))


def expand(text: str) -> Iterator[str]:
    """The URLs behind one argument."""
    if not text:
        raise empty("destination")
    if text.startswith(VARIABLE):
        yield variable(text)
    elif text == STDIN:
        try:
            lines = [line.strip() for line in sys.stdin]
        except UnicodeDecodeError:
            raise ConfigError("standard input is not UTF-8 text") from None
        urls = [line for line in lines if line and not line.startswith("#")]
        if not urls:
            raise ConfigError("no destination on standard input", hint="write one URL a line")
        yield from urls
    else:
        yield text


def empty(name: str) -> ConfigError:
    """The error for an argument without text, as scripts make them of unset variables."""
    return ConfigError(f"the {name} is an empty argument: `''`", hint=f"name a {name}")


def variable(text: str) -> str:
    """The URL in an environment variable."""
    name = text.removeprefix(VARIABLE)
    url = os.environ.get(name, "")
    if not url:
        raise ConfigError(f"the environment variable `{name}` is not set")
    return url
