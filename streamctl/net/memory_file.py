"""Bodies that many clients ask for, as files in memory that the kernel sends without copying.

A body is sent from the objects that it is made of until it was asked for a few times; then a file
is made of it (``memfd_create``), from which ``sendfile`` costs less than half. Files go when nobody
has asked for a while, and the oldest when there are too many. They are a copy on top of what the
owner of the body holds, so their sum is bounded, to less by whoever counts the memory of it all.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.sdk.context import Clock, Timer

MIN_BYTES = 64 * 1024
"""Below this the head and the system calls are most of the work."""
MAX_BYTES = 16 * 1024 * 1024
"""Above this making the file would hold the loop for longer than a frame."""
TOTAL_BYTES = 64 * 1024 * 1024
"""Some fifty segments of 2 s at 5 Mbit/s: those at the live edge, where viewers are."""
ASKED = 3
"""Requests from which on a body gets its file, which costs as much as sending it twice."""
WATCHED_MAX = 256
"""Bodies that are counted and have no file yet."""
IDLE_S = 10.0
"""How long a file stays when nobody asks for it."""
VECTORS = 512
"""Parts that one call writes; systems take 1024."""


class MemoryFile:
    """An anonymous file, gone with its last reference: those who still send it keep it."""

    __slots__ = ("fd",)

    def __init__(self, parts: Sequence[bytes]) -> None:
        """Copy the parts.

        Raises:
            OSError: no descriptor or no memory is left.
        """
        self.fd = -1
        self.fd = os.memfd_create("streamctl", os.MFD_CLOEXEC)
        for start in range(0, len(parts), VECTORS):
            write(self.fd, parts[start : start + VECTORS])

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def write(fd: int, parts: Sequence[bytes]) -> None:
    """Write all of the parts.

    Raises:
        OSError: no memory is left.
    """
    left = sum(map(len, parts)) - os.writev(fd, parts)
    if left:
        rest = memoryview(b"".join(parts))[-left:]
        while rest:
            rest = rest[os.write(fd, rest) :]


@dataclass(slots=True)
class Entry:
    """A body that has a file."""

    body: bytes | Sequence[bytes]
    """Held so that no other object can get its identity."""
    file: MemoryFile
    size: int
    asked_at: float


class MemoryFiles:
    """The files of one server."""

    def __init__(self, clock: Clock) -> None:
        self.bytes = 0
        """What the files hold."""
        self.most = TOTAL_BYTES
        """What they may hold."""
        self._clock = clock
        self._files: OrderedDict[int, Entry] = OrderedDict()
        """By identity of the body; the one that was asked for last stands last."""
        self._asked: OrderedDict[int, int] = OrderedDict()
        """Requests by identity. Nothing is held here, so a number may be inherited: then a file
        is made sooner than it would be, of the right body."""
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._files)

    def get(self, body: bytes | Sequence[bytes]) -> MemoryFile | None:
        """The file of a body; None = send it from memory."""
        entry = self._files.get(id(body))
        if entry is not None:
            entry.asked_at = self._clock.now()
            self._files.move_to_end(id(body))
            return entry.file
        size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        if not MIN_BYTES <= size <= min(MAX_BYTES, self.most):
            return None
        asked = self._asked.pop(id(body), 0) + 1
        if asked >= ASKED:
            return self._make(body, size)
        self._asked[id(body)] = asked
        if len(self._asked) > WATCHED_MAX:
            self._asked.popitem(last=False)
        return None

    def bound(self, room: int) -> None:
        """Hold no more than ``room`` bytes from now on; the oldest files go."""
        self.most = max(0, min(room, TOTAL_BYTES))
        while self.bytes > self.most:
            self._drop_oldest()

    def clear(self) -> None:
        """Let all files go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._files.clear()
        self.bytes = 0

    def _look(self) -> None:
        """Let idle files go, and look again while there are any."""
        now = self._clock.now()
        while self._files and now - next(iter(self._files.values())).asked_at >= IDLE_S:
            self._drop_oldest()
        self._timer = self._clock.call_later(IDLE_S, self._look) if self._files else None

    def _make(self, body: bytes | Sequence[bytes], size: int) -> MemoryFile | None:
        try:
            file = MemoryFile([body] if isinstance(body, bytes) else body)
        except OSError:
            return None
        self._files[id(body)] = Entry(body, file, size, self._clock.now())
        self.bytes += size
        if self._timer is None:
            self._timer = self._clock.call_later(IDLE_S, self._look)
        while self.bytes > self.most:
            self._drop_oldest()
        return file

    def _drop_oldest(self) -> None:
        _, entry = self._files.popitem(last=False)
        self.bytes -= entry.size
