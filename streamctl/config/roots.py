"""Which files a server may play: those that lie below its media roots, links followed.

What is written is judged when the configuration is read, so that a path that no file can make right
is refused with its line; whether the file is there shows when it is played.
"""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl.config.model import StreamConfig
    from streamctl.config.stream import Reading

FILE = "file"


def check_files(streams: Iterable[StreamConfig], roots: Sequence[str], reading: Reading) -> None:
    """Note every input that leads out of the roots."""
    for stream in streams:
        for number, entry in enumerate(stream.inputs):
            # Only what looks wrong is worth asking the disk, which may be far away.
            if entry.url.scheme == FILE and not looks_right(entry.url.path, roots):
                try:
                    located(entry.url.path, roots)
                except ConfigError as error:
                    where = ("slate",) if entry.slate else ("inputs", number)
                    reading.fault(("streams", stream.code, *where), error)


def looks_right(text: str, roots: Sequence[str]) -> bool:
    """Whether a path lies below a root as the two are written; with a tilde that can't be seen."""
    if any(one.startswith("~") for one in (text, *roots)):
        return False
    tops = [Path.cwd() / root for root in map(normal, roots)]
    return any(normal(str(top / text)).is_relative_to(normal(str(top))) for top in tops)


def normal(text: str) -> Path:
    """A path without the parts that lead up and down again."""
    return Path(os.path.normpath(text))


def located(text: str, roots: Sequence[str]) -> Path:
    """The real path of a file; a relative one is below the first root that has it.

    Raises:
        ConfigError: outside every root, or no path.
    """
    try:
        tops = [Path(root).expanduser().resolve() for root in roots]
        path = Path(text).expanduser()
        if not path.is_absolute() and tops:
            path = next((top / path for top in tops if (top / path).exists()), tops[0] / path)
        path = path.resolve()
    except OSError as error:
        raise ConfigError(f"can't read `{text}`: {error.strerror}") from None
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"no usable path, `{text!a}`: {error}") from None
    if not any(path.is_relative_to(top) for top in tops):
        raise ConfigError(
            f"`{path}` lies outside the media roots: `{'`, `'.join(map(str, tops))}`",
            hint="move it below one of them, or add its directory to `server.media_roots`",
        )
    return path


def playable(text: str, roots: Sequence[str]) -> Path:
    """The real path of a file that can be read now.

    Raises:
        ConfigError: outside every root, or not a readable file.
    """
    path = located(text, roots)
    try:
        if path.exists() and not path.is_file():
            # Opening a pipe would wait for its writer, with everybody else.
            raise ConfigError(f"can't read `{path}`: not a file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"can't read `{path}`: {error.strerror}") from None
    return path
