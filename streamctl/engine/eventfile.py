"""Appends events to a file, a line of JSON each.

The file may be moved away at any time, as programs that rotate logs do: the next events go to a
new one of the same name. Only whole lines are written: what a full disk took of a line is taken
back.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.config.model import EventFileConfig
    from streamctl.schema import Event

BATCH = 1000
"""Lines that are written at once."""


class EventFile:
    """Implements :class:`streamctl.engine.courier.Delivery`."""

    batch = BATCH
    batch_s = 0.0

    def __init__(self, config: EventFileConfig) -> None:
        self.path = config.file
        self._fd = -1

    @property
    def target(self) -> str:
        """Where the lines go."""
        return self.path

    async def deliver(self, events: Sequence[Event]) -> str:
        """Append the events.

        Raises:
            StreamctlError: they can't be written; nothing of them stays.
        """
        lines = "".join(f"{event.model_dump_json()}\n" for event in events).encode()
        try:
            await to_thread.run_sync(partial(self._append, lines), abandon_on_cancel=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise StreamctlError(f"can't write `{self.path}`: {why}") from None
        return f"{len(lines)} bytes written"

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, lines: bytes) -> None:
        self._follow()
        size = os.fstat(self._fd).st_size
        written = os.write(self._fd, lines)
        if written < len(lines):
            if os.fstat(self._fd).st_size == size + written:
                os.ftruncate(self._fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _follow(self) -> None:
        """Have the file open that bears the name now."""
        if self._fd >= 0:
            try:
                found, ours = Path(self.path).stat(), os.fstat(self._fd)
                if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
                    return
            except FileNotFoundError:
                pass
            self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self.path, flags, 0o640)
