"""A file that gets its name when it is whole.

Media is written to ``NAME.part``, which is playable at any time, and is renamed at the end; a
crash or a power cut leaves the part. No file is ever replaced unless that was asked for. All
methods block: they belong in a thread.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError, StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART = ".part"


class RecordingFile:
    """One recording on its way to the disk."""

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self.part = path.with_name(path.name + PART)
        self.force = force
        """Replace a file of the name, and a part that an earlier run left."""
        self.size = 0
        self.committed = False
        self._descriptor = -1

    def open(self) -> None:
        """Create the part.

        Raises:
            ConfigError: the name is taken.
            StreamctlError: the part can't be created.
        """
        for taken in (self.path, self.part):
            self._refuse(taken)
        fresh = os.O_TRUNC if self.force else os.O_EXCL
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | fresh
        with explained("create", self.part):
            self._descriptor = os.open(self.part, flags, 0o666)

    def write(self, data: bytes, at: int | None = None) -> None:
        """Write at the end, or elsewhere.

        Raises:
            StreamctlError: the disk takes no more; what it took stays.
        """
        offset = self.size if at is None else at
        view = memoryview(data)
        with explained("write", self.part):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view = view[written:]
                offset += written
                self.size = max(self.size, offset)

    def commit(self) -> None:
        """Bring it to the disk and give it its name; without content, leave nothing.

        Raises:
            StreamctlError: that failed; the part is still there.
        """
        if self._descriptor < 0:
            return
        with explained("finish", self.part):
            os.fsync(self._descriptor)
        self.close()
        if not self.size:
            with suppress(OSError):
                self.part.unlink()
            return
        with explained("rename", self.part):
            if self.force:
                self.part.replace(self.path)
            else:
                self._rename()
            synchronise(self.path.parent)
        self.committed = True

    def close(self) -> None:
        """Write no more; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _rename(self) -> None:
        """Rename without replacing what may have appeared meanwhile."""
        try:
            os.link(self.part, self.path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links.
            if self.path.exists():
                raise FileExistsError(f"`{self.path}` exists") from None
            self.part.rename(self.path)
        else:
            self.part.unlink()

    def _refuse(self, path: Path) -> None:
        with explained("create", path):
            try:
                mode = path.stat().st_mode
            except FileNotFoundError:
                return
        if not stat.S_ISREG(mode):
            raise ConfigError(f"`{path}` is not a regular file")
        if not self.force:
            what = "an unfinished recording" if path == self.part else "the file"
            raise ConfigError(
                f"{what} exists: `{path}`", hint="name another file, or replace it with --force"
            )


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn a failure of the file system into an error for users."""
    try:
        yield
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise StreamctlError(f"can't {action} `{path}`: {words}") from None


def synchronise(directory: Path) -> None:
    """Make a new name survive a power cut, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
