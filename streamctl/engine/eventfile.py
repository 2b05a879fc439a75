"""Appends events to a file, a line of JSON each.

The file is opened anew for each batch, so it may be moved away at any time, as programs that
rotate logs do: the next events go to a new one of the same name. Only whole lines are written:
what a full disk took of a line is taken back.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.config.model import EventFileConfig
    from streamctl.schema import Event

BATCH = 1000
"""Lines that are written at once."""
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class EventFile:
    """Implements :class:`streamctl.engine.courier.Delivery`."""

    batch = BATCH
    batch_s = 0.0

    def __init__(self, config: EventFileConfig) -> None:
        self.path = config.file

    @property
    def target(self) -> str:
        """Where the lines go."""
        return self.path

    async def deliver(self, events: Sequence[Event]) -> str:
        """Append the events.

        Raises:
            StreamctlError: they can't be written; nothing of them stays.
        """
        lines = "".join(f"{event.json_text}\n" for event in events).encode()
        try:
            # Left where it is when the hook ends: a disk that hangs keeps nobody.
            await to_thread.run_sync(partial(append, self.path, lines), abandon_on_cancel=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise StreamctlError(f"can't write `{self.path}`: {why}") from None
        return f"{len(lines)} bytes written"


def append(path: str, lines: bytes) -> None:
    """Write at the end of a file, all or nothing; blocks."""
    fd = os.open(path, FLAGS, 0o640)
    try:
        size = os.fstat(fd).st_size
        written = os.write(fd, lines)
        if written < len(lines):
            if os.fstat(fd).st_size == size + written:
                os.ftruncate(fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(fd)
