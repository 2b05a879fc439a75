"""Segments on a disk that may be slow, full or gone, without anybody waiting for it.

A new segment is served from memory until it has been written; the newest stay there, because
every viewer asks for them. What the disk doesn't take stays in memory as if there were none, and
the reason is told. Reading happens in a thread of its own: whoever asks for an old segment waits
for it, nobody else does.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.sdk.endpoints import Bytes, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamctl.sdk.endpoints import Reply
    from streamctl_hls.folder import Folder
    from streamctl_hls.segment import Segment

    Reader = Callable[[bytes], Bytes]
    """Makes the response of a segment's bytes."""

WRITES_MAX = 16
"""Segments that wait to be written, or removed; more would only be later still."""
READS_MAX = 64
"""Segments that viewers wait for at the same time."""
READ_S = 10.0
"""How long a viewer waits for an old segment."""
HOT_SEGMENTS = 3
"""Newest segments that stay in memory: where players at the live edge are."""
READ_BYTES = 32 * 1024 * 1024
"""Old segments that stay in memory for the next who asks: several who seek to the same place."""


class Jobs(Protocol):
    """A thread's queue, such as :class:`streamctl.net.worker.Worker`."""

    def submit(self, job: Callable[[], Callable[[], None]]) -> bool:
        """Run a job later; what it returns is called on the loop. False = too many wait."""

    def close(self, last: Callable[[], Callable[[], None]] | None = None) -> None:
        """Take no more jobs."""


class DiskStore:
    """The segments of one stream on disk."""

    def __init__(
        self,
        folder: Folder,
        writer: Jobs,
        reader: Jobs,
        *,
        release: Callable[[Segment], None],
        degrade: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.bytes = 0
        """Written and not removed."""
        self.failures = 0
        """Segments that the disk did not take."""
        self._writer = writer
        self._reader = reader
        self._release = release
        self._degrade = degrade
        self._hot: deque[Segment] = deque()
        """Written, and still in memory."""
        self._wanted: set[str] = set()
        """Names of segments that were given to the writer and not let go since."""
        self._written: dict[str, int] = {}
        """Sizes by name."""
        self._gone: set[str] = set()
        """The same of those that nobody needs any more, whose removal it has not been given."""
        self._read: OrderedDict[str, Bytes] = OrderedDict()
        self._asked: dict[str, Wait] = {}

    @property
    def cache_bytes(self) -> int:
        """What old segments hold of memory."""
        return sum(len(reply.body) for reply in self._read.values())

    def write(self, segment: Segment) -> None:
        """Begin to store a segment that is in memory."""
        if self._writer.submit(partial(self._store, segment, segment.parts)):
            self._wanted.add(segment.name)
        else:
            self._failed("the disk can't keep up")

    def remove(self, segments: Iterable[Segment]) -> None:
        """Let segments go."""
        for segment in segments:
            if segment.name in self._wanted:
                self._wanted.discard(segment.name)
                self._gone.add(segment.name)
            self._read.pop(segment.name, None)
            self.bytes -= self._written.pop(segment.name, 0)
        self._clear_away()

    def reply(self, segment: Segment, render: Reader, failed: Callable[[str], Bytes]) -> Reply:
        """The response for a segment that is on the disk alone."""
        known = self._read.get(segment.name)
        if known is not None:
            self._read.move_to_end(segment.name)
            return known
        asked = self._asked.get(segment.name)
        if asked is not None:
            return asked
        event = anyio.Event()

        def then() -> Bytes:
            return self._read.get(segment.name) or failed("the disk did not answer")

        if not self._reader.submit(partial(self._fetch, segment.name, render, event)):
            return failed("too many wait for the disk")
        asked = self._asked[segment.name] = Wait(event, READ_S, then)
        return asked

    def close(self) -> None:
        """Remove everything and end the threads."""
        self._reader.close()
        self._writer.close(self._clean)
        for wait in self._asked.values():
            wait.event.set()
        self._read.clear()
        self._hot.clear()

    # In the writer's thread.

    def _store(self, segment: Segment, parts: tuple[bytes, ...]) -> Callable[[], None]:
        try:
            self.folder.write(segment.name, parts)
        except OSError as error:
            reason = error.strerror or str(error)
            return partial(self._failed, f"can't write to `{self.folder.path}`: {reason}")
        return partial(self._stored, segment)

    def _remove(self, names: set[str]) -> Callable[[], None]:
        self.folder.remove(names)
        return lambda: None

    def _clean(self) -> Callable[[], None]:
        self.folder.close()
        return lambda: None

    # In the reader's thread.

    def _fetch(self, name: str, render: Reader, event: anyio.Event) -> Callable[[], None]:
        try:
            data = self.folder.read(name)
        except OSError:
            return partial(self._fetched, name, None, event)
        return partial(self._fetched, name, render(data), event)

    # On the loop.

    def _stored(self, segment: Segment) -> None:
        self._degrade("")
        # The writer has room again.
        self._clear_away()
        if segment.name not in self._wanted:
            return
        self.bytes += segment.size
        self._written[segment.name] = segment.size
        self._hot.append(segment)
        while len(self._hot) > HOT_SEGMENTS:
            self._release(self._hot.popleft())

    def _clear_away(self) -> None:
        if self._gone and self._writer.submit(partial(self._remove, self._gone)):
            self._gone = set()

    def _failed(self, text: str) -> None:
        self.failures += 1
        self._degrade(f"{text}; segments stay in memory")

    def _fetched(self, name: str, reply: Bytes | None, event: anyio.Event) -> None:
        self._asked.pop(name, None)
        if reply is not None and name in self._wanted:
            self._read[name] = reply
        event.set()
        while len(self._read) > 1 and self.cache_bytes > READ_BYTES:
            self._read.popitem(last=False)
