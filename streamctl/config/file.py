"""The file behind a running configuration: read whole, replaced whole, never written blindly.

A replacement is written beside the file and renamed over it, with the mode and the owner that the
file had; where its name is a link, the file that the link leads to is replaced. One that is
mounted, as into a container, can't be renamed over and is overwritten. A file that was changed
since it was read is left alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.config.load import parse, text_of
from streamctl.errors import ConfigError, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.config.model import Config
    from streamctl.registry import Registry


class ConfigFile:
    """A file by its name, and the text that was last taken from it or put into it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.text = ""
        """As in the file, line ends too."""

    def look(self) -> str:
        """The text that the file holds now.

        Raises:
            ConfigError: unreadable, or not UTF-8.
        """
        # Reading a pipe waits for whoever writes to it, and everybody else would wait for that.
        with suppress(OSError):
            mode = self.path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise ConfigError("can't be read: not a regular file", file=str(self.path))
        return text_of(self.path)

    def parse(self, text: str, registry: Registry) -> Config:
        """The configuration that a text in this file would be.

        Raises:
            ConfigError: what is wrong with it.
        """
        return parse(text, str(self.path), registry)

    def load(self, registry: Registry) -> Config:
        """Read the file.

        Raises:
            ConfigError: what is wrong with it.
        """
        text = text_of(self.path)
        config = self.parse(text, registry)
        self.text = text
        return config

    def replace(self, text: str) -> None:
        """Put another text in the place of the one that was read.

        Raises:
            Conflict: the file has changed since.
            ConfigError: it can't be written; nothing has changed.
        """
        self.check_unchanged()
        target = self.path.resolve()
        try:
            write_whole(target, text.encode(), self.check_unchanged)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(
                f"can't be written: {reason}",
                file=str(self.path),
                hint="let the server own the file and write its directory, or edit it by hand",
            ) from None
        self.text = text

    def check_unchanged(self) -> None:
        """Refuse to go on when the file is not as it was read.

        Raises:
            Conflict: it was changed, or is gone.
        """
        found = None
        with suppress(ConfigError):
            found = self.look()
        if found != self.text:
            raise Conflict(
                f"`{self.path}` was changed since the server read it",
                hint="`streamctl reload` applies the file; then try again",
            )


def version(text: str) -> str:
    """A short name of a text's content."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write_whole(target: Path, content: bytes, check: Callable[[], None]) -> None:
    """Replace a file in one step, unless ``check`` raises right before it.

    Raises:
        OSError: it can't be; the old one is as it was.
    """
    facts = target.stat()
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            # The owner first: giving a file away takes bits of its mode.
            os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
            os.fchmod(file.fileno(), facts.st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        check()
        put_over(beside, target, content)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def put_over(beside: Path, target: Path, content: bytes) -> None:
    """Have a file take the place of another one, or its content if a mount forbids that.

    Raises:
        OSError: neither can be.
    """
    try:
        beside.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        with target.open("r+b", buffering=0) as file:
            # Place first: there must be room for all of it before anything is lost.
            os.posix_fallocate(file.fileno(), 0, max(len(content), 1))
            file.write(content)
            file.truncate()
            os.fsync(file.fileno())
        beside.unlink()


def sync_directory(path: Path) -> None:
    """Have a rename survive a power cut, where the file system can."""
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
