"""Pushes a stream to another SRT server, as its caller."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady
from streamctl.media.packet import TIMESCALE, Chunk, Flag, Format, Skipped
from streamctl_srt import statistics
from streamctl_srt.link import opened
from streamctl_srt.pace import Pace
from streamctl_srt.query import check_destination
from streamctl_srt.sender import LEAST_BURST, Outbox, Sender
from streamctl_srt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamctl.media.packet import Item
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.url import StreamURL
    from streamctl_srt.link import Link
    from streamctl_srt.options import PushOptions
    from streamctl_srt.runtime import Runtime

LOOK_S = 1.0
"""How often the line is looked at."""
WINDOW = 4 * TIMESCALE
"""Media time that the rate is taken of."""
LEAST_WINDOW = TIMESCALE // 2
PIECE_BYTES = 65_536
LAG_S = 3.0
"""A destination that is so far behind goes on at the newest random-access point."""
LEADING = int(Flag.LEADING)


class SrtSink:
    """Implements :class:`streamctl.sdk.endpoints.Sink`."""

    wants = Format.MPEGTS
    left_out = ""
    """Everything that the lane holds is sent."""

    def __init__(
        self, url: StreamURL, options: PushOptions, ctx: Context, runtime: Runtime
    ) -> None:
        """Read the URL.

        Raises:
            ConfigError: it has a key or value that is none.
        """
        check_destination(url)
        self.url = url
        self.settings = Settings.of_url(url, options)
        self.ctx = ctx
        self.runtime = runtime
        self.link: Link | None = None
        self.outbox: Outbox | None = None
        self.sender: Sender | None = None

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that libsrt was given."""
        return self.outbox.sent if self.outbox else 0

    def measure(self) -> Mapping[str, object]:
        """What the connection counts and measures."""
        return statistics.sending(self.link.endpoint) if self.link else {}

    async def run(self, cursor: Cursor, *, connected: Callable[[], None]) -> None:
        """Send until the stream ends.

        Raises:
            ConnectionFailed: the server is not reachable, refused or closed.
            MissingLibrary: the system has no libsrt.
        """
        settings = self.settings
        async with (
            self.runtime.running() as engine,
            opened(self.url, settings, engine, ignore) as link,
        ):
            self.link = link
            sender = self.sender = Sender("srt-push")
            outbox = self.outbox = Outbox(link.endpoint, settings.packet_bytes, link)
            if (perf := link.endpoint.measure()) is not None:
                outbox.latency_ms = perf.msSndTsbPdDelay
            sender.add(outbox)
            connected()
            try:
                await self._send(cursor, Feed(cursor), link)
            finally:
                with anyio.CancelScope(shield=True):
                    await sender.stop()
                self.link = None

    async def _send(self, cursor: Cursor, feed: Feed, link: Link) -> None:
        """Send until the lane is closed.

        Raises:
            StreamctlError: the connection ended.
        """
        outbox, sender, clock = self.outbox, self.sender, self.ctx.clock
        assert outbox is not None
        assert sender is not None
        pace, looked = Pace(), clock.now()
        with anyio.CancelScope() as scope:
            link.at_end = scope.cancel
            while True:
                while outbox.queued > outbox.limit / 4:
                    link.room = anyio.Event()
                    outbox.full = True
                    sender.wake()
                    await link.room.wait()
                if feed.lag > LAG_S:
                    feed.skip()
                if cursor.at_head():
                    try:
                        await cursor.wait()
                    except NotReady:
                        return
                data = feed.pack(cursor.take(PIECE_BYTES), clock.now())
                if clock.now() - looked > LOOK_S:
                    looked = clock.now()
                    if (perf := link.endpoint.measure()) is not None:
                        outbox.latency_ms = perf.msSndTsbPdDelay
                        pace.look(perf, looked)
                outbox.rate = pace.rate(feed.rate)
                if data:
                    outbox.put(data)
                    sender.wake()
        await link.end()


class Feed:
    """What a destination gets of a lane's items, and how fast they run."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.rate = 0.0
        """Bytes per second of media; 0 = not known yet."""
        self._landed = True
        """What comes next must be a random-access point, led by what a joiner needs."""
        self._fresh = False
        """It joined at the newest random-access point, so it can't decode what leads that."""
        self._recent: deque[tuple[int, int]] = deque()
        """Media times and sizes within the window."""
        self._bytes = 0
        self._ahead: float | None = None
        """Clock minus media time when nothing was late, seconds."""
        self._late = 0.0

    def pack(self, items: Iterable[Item], now: float) -> bytes:
        """The bytes for these items."""
        parts: list[bytes] = []
        for item in items:
            if isinstance(item, Skipped):
                self._land()
            elif isinstance(item, Chunk):
                self._chunk(item, parts)
                self._measure(item, now)
        if self.cursor.at_head():
            # Clocks differ: what is late counts from here.
            self._ahead = None
        return b"".join(parts)

    @property
    def lag(self) -> float:
        """Seconds that what was packed last was late; 0 at the head."""
        return 0.0 if self.cursor.at_head() else self._late

    def skip(self) -> None:
        """Go on at the newest random-access point, if it is not passed yet."""
        if self.cursor.skip().items:
            self._land()

    def _land(self) -> None:
        self._landed = True
        self._ahead = None
        self._late = 0.0

    def _chunk(self, chunk: Chunk, parts: list[bytes]) -> None:
        if chunk.rap:
            self._fresh = self._landed
            if self._landed:
                parts.append(chunk.join)
            self._landed = False
        elif self._landed:
            return
        if chunk.flags & LEADING and self._fresh:
            parts.append(chunk.join)
            return
        parts += (chunk.lead, chunk.data)

    def _measure(self, chunk: Chunk, now: float) -> None:
        """Follow the rate and the lateness."""
        recent = self._recent
        size = len(chunk.lead) + len(chunk.data)
        recent.append((chunk.start, size))
        self._bytes += size
        while len(recent) > 1 and not 0 <= chunk.start - recent[0][0] <= WINDOW:
            self._bytes -= recent.popleft()[1]
        span = chunk.start - recent[0][0]
        if span >= LEAST_WINDOW:
            self.rate = max(self._bytes * TIMESCALE / span, LEAST_BURST)
        ahead = now - chunk.start / TIMESCALE
        if self._ahead is None or ahead < self._ahead:
            self._ahead = ahead
        self._late = ahead - self._ahead


def ignore(data: bytes) -> None:
    """A destination has nothing to say."""
