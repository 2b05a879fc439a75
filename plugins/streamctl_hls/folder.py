"""The folder of one stream's segments: everything here blocks, and runs in a worker's thread.

The folder is ours while its lock is held. Files that an earlier process left in it are removed
once it is, by their names: nothing else is ever touched. Segments are written beside their name
and moved there when they are whole, so that nobody is served half of one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl_hls.segment import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PART = ".part"
"""Behind the name of a segment that is being written."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
PIECES = 512
"""Buffers that one call writes; the system takes 1024 at most."""


class Folder:
    """Writes, reads and removes segments.

    Every method raises :class:`OSError` when the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._swept = False

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Store a segment under its name."""
        folder = self._open()
        try:
            self._write(folder, name, parts)
        except OSError:
            with suppress(OSError):
                os.unlink(name + PART, dir_fd=folder)
            self._check(folder)
            raise

    def read(self, name: str) -> bytes:
        """The bytes of a segment."""
        path = self.path / name
        file = os.open(path, OLD)
        with os.fdopen(file, "rb") as opened:
            return opened.read()

    def remove(self, names: Iterable[str]) -> None:
        """Forget segments; those that are gone already are no error."""
        if self._fd is not None:
            for name in names:
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._fd)

    def close(self) -> None:
        """Remove all segments and the folder, if nothing else is in it, and let it go."""
        folder, self._fd = self._fd, None
        if folder is None:
            return
        try:
            sweep(folder)
            with suppress(OSError):
                self.path.rmdir()
        finally:
            os.close(folder)

    def _open(self) -> int:
        """The folder's descriptor; made, locked and swept on first use."""
        if self._fd is not None:
            return self._fd
        self.path.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path, OLD | os.O_DIRECTORY)
        try:
            # The lock is gone with the process, however it ends, and with the folder.
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._swept:
                sweep(folder)
                self._swept = True
        except BlockingIOError:
            os.close(folder)
            raise OSError("another process writes there") from None
        except OSError:
            os.close(folder)
            raise
        self._fd = folder
        return folder

    def _check(self, folder: int) -> None:
        """Open the folder anew next time if somebody removed it."""
        try:
            known, found = os.fstat(folder), self.path.stat()
            lost = (known.st_dev, known.st_ino) != (found.st_dev, found.st_ino)
        except OSError:
            lost = True
        if lost:
            self._fd = None
            os.close(folder)

    def _write(self, folder: int, name: str, parts: Sequence[bytes]) -> None:
        file = os.open(name + PART, NEW, 0o644, dir_fd=folder)
        try:
            for first in range(0, len(parts), PIECES):
                write_all(file, parts[first : first + PIECES])
        finally:
            os.close(file)
        os.rename(name + PART, name, src_dir_fd=folder, dst_dir_fd=folder)


def write_all(file: int, parts: Sequence[bytes]) -> None:
    """Write the buffers to the end, however little the system takes at once."""
    rest: list[bytes | memoryview] = list(parts)
    while rest:
        taken = os.writev(file, rest)
        while rest and taken >= len(rest[0]):
            taken -= len(rest.pop(0))
        if taken:
            rest[0] = memoryview(rest[0])[taken:]


def sweep(folder: int) -> None:
    """Remove every file that bears a segment's name."""
    with os.scandir(folder) as entries:
        found = [
            entry.name
            for entry in entries
            if NAME.fullmatch(entry.name.removesuffix(PART))
            and entry.is_file(follow_symlinks=False)
        ]
    for name in found:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
