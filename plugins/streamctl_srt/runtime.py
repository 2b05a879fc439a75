"""libsrt at work: loaded and started for its first user, stopped after its last.

Loading waits until somebody needs it, since a machine without libsrt serves everything else, and
since libsrt's threads are none of those who only read a configuration. After the last user nothing
is left of it but the loaded file: no thread outlives the server.
"""

from __future__ import annotations

import atexit
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl_srt.constants import LOG_BARE, LogLevel
from streamctl_srt.library import load
from streamctl_srt.reader import Reader
from streamctl_srt.structs import LogHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl_srt.library import Library

LINES_PER_S = 20
"""libsrt can say a thing for every packet; beyond this it is only counted."""

log = logging.getLogger("streamctl.srt")


class Engine:
    """libsrt, started, with the thread that reads."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.kept: list[object] = []
        """What libsrt's threads may call until the very end."""
        library.srt_startup()
        atexit.register(library.srt_cleanup)
        self._listen_to_log()
        self.reader = Reader(library, self._end)

    async def stop(self) -> None:
        """End every thread."""
        await self.reader.stop()
        self.kept.clear()

    def _end(self) -> None:
        """Stop libsrt, in the reader's thread: that takes longer than a loop may stand still."""
        atexit.unregister(self.library.srt_cleanup)
        self.library.srt_setloghandler(None, LogHandler())
        self.library.srt_cleanup()

    def _listen_to_log(self) -> None:
        level = LogLevel.NOTICE if log.isEnabledFor(logging.DEBUG) else LogLevel.CRITICAL
        self.library.srt_setloglevel(level)
        self.library.srt_setlogflags(LOG_BARE)
        handler = LogHandler(LogLines().take)
        self.kept.append(handler)
        self.library.srt_setloghandler(None, handler)


class LogLines:
    """Takes what libsrt says, in any thread of its own."""

    def __init__(self) -> None:
        self._second = 0
        self._said = 0

    def take(
        self, opaque: object, level: int, file: bytes, line: int, area: bytes, message: bytes
    ) -> None:
        """Write one line to our log, unless there were many in this second."""
        del opaque, level, file, line
        second = int(time.monotonic())
        if second != self._second:
            more, self._second, self._said = self._said - LINES_PER_S, second, 0
            if more > 0:
                log.debug("libsrt: %d more lines", more)
        self._said += 1
        if self._said <= LINES_PER_S:
            text = (message or b"").decode(errors="replace").strip()
            log.debug("libsrt: %s: %s", (area or b"").decode(errors="replace"), text)


class Runtime:
    """Counts the users of libsrt in this process."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._users = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Engine]:
        """Keep libsrt running for as long as the context lasts.

        Raises:
            MissingLibrary: the system has none that can be used.
        """
        if self._engine is None:
            self._engine = Engine(load())
        self._users += 1
        try:
            yield self._engine
        finally:
            self._users -= 1
            if not self._users:
                engine, self._engine = self._engine, None
                with anyio.CancelScope(shield=True):
                    await engine.stop()
