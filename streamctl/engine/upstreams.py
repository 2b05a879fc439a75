"""The streams of a server as inputs of others: whoever reads one wants it to be on air."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamctl.errors import NotFound, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.engine.lane import LaneCursor
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Format, Init, Item, Skipped


class Upstreams:
    """Implements :class:`streamctl.sdk.context.Streams`."""

    def __init__(self, running: Mapping[str, Stream]) -> None:
        self.running = running

    async def ready(self, code: str) -> Format:
        """Wait until a stream is on air; the format that it comes in.

        Raises:
            NotFound: no such stream runs.
            NotReady: it was stopped meanwhile.
        """
        stream = self._find(code)
        with wanting(stream):
            while not stream.on_air():
                if stream.closed:
                    raise NotReady(f"stream `{code}` was stopped")
                await stream.demand.aired.wait()
        return stream.graph.origin

    def open(self, code: str, fmt: Format) -> UpstreamCursor:
        """A cursor of a lane.

        Raises:
            NotFound: no such stream runs.
            Unsupported: nothing makes that format.
        """
        stream = self._find(code)
        return UpstreamCursor(stream, stream.graph.cursor(fmt))

    def _find(self, code: str) -> Stream:
        stream = self.running.get(code)
        if stream is None:
            raise NotFound(f"no stream `{code}` runs here")
        return stream


@contextmanager
def wanting(stream: Stream) -> Iterator[None]:
    """Want a stream to be on air for a while."""
    stream.demand.readers += 1
    stream.demand.look()
    try:
        yield
    finally:
        stream.demand.look()
        stream.demand.readers -= 1


class UpstreamCursor:
    """Implements :class:`streamctl.sdk.lane.Cursor` for another stream."""

    def __init__(self, stream: Stream, cursor: LaneCursor) -> None:
        self.cursor = cursor
        self._wanting = wanting(stream)
        self._wanting.__enter__()
        self._open = True

    def join(self) -> Init:
        """Move to the newest random-access point.

        Raises:
            NotReady: the lane holds none.
        """
        return self.cursor.join()

    def take(self, max_bytes: int = 262_144) -> list[Item]:
        """The next items, at most about ``max_bytes``; ``[]`` at the head."""
        return self.cursor.take(max_bytes)

    def skip(self) -> Skipped:
        """Move on to the newest random-access point, if it lies ahead; what was lost."""
        return self.cursor.skip()

    def at_head(self) -> bool:
        """Whether nothing is left to take."""
        return self.cursor.at_head()

    async def wait(self) -> None:
        """Return when there is something to take.

        Raises:
            NotReady: the lane was closed.
        """
        await self.cursor.wait()

    def close(self) -> None:
        """Give the position up, and want the stream no more."""
        if self._open:
            self._open = False
            self.cursor.close()
            self._wanting.__exit__(None, None, None)
