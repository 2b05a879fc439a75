"""Plays MPEG-TS from segments as it is, by its own clock: every PID of it goes into the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import MediaError
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.clocked import Segment, Segmenter
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl_hls.pacing import LivePacer
from streamctl_hls.wire.counters import Counters

if TYPE_CHECKING:
    from streamctl.sdk.context import Clock
    from streamctl.sdk.lane import EpochWriter
    from streamctl_hls.feed import Loaded

SLICE_BYTES = 188 * 348
"""So much is taken apart at a time, so that others have their turn."""


class Passage:
    """Plays one feed."""

    def __init__(self, out: EpochWriter, clock: Clock) -> None:
        self.out = out
        self.clock = clock
        self.pacer = LivePacer()
        self.position_s = 0.0
        """Media time played."""
        self.put_at = clock.now()
        """When something was written last."""
        self._segmenter = Segmenter()
        self._aligner = Aligner()
        self._counters = Counters()
        self._begun = False

    async def play(self, loaded: Loaded) -> None:
        """Play a segment or part.

        Raises:
            MediaError: it is no MPEG-TS.
            StaleEpoch: the epoch has ended.
        """
        piece = loaded.piece
        reason = piece.broken or piece.missed
        if reason and self._begun:
            await self.finish()
            self.out.discontinuity(reason)
            self._counters = Counters()
        if not loaded.data:
            return
        before = self._segmenter.position_s
        found = 0
        data = memoryview(loaded.data)
        if piece.part <= 0:
            self._counters.begin()
        for at in range(0, len(data), SLICE_BYTES):
            packets = bytes(self._aligner.feed(data[at : at + SLICE_BYTES]))
            found += len(packets)
            await self._pass_on(self._segmenter.feed(self._counters.take(packets)))
        if not found and len(data) >= SLICE_BYTES:
            raise MediaError("the segments are no MPEG-TS", permanent=True)
        self._begun = True
        if self._segmenter.pid is None and found:
            # Without a clock the playlist tells how long it plays.
            rest = self._segmenter.finish()
            self._segmenter = Segmenter(before + piece.duration_s)
            await self._pass_on(
                [Segment(one.data, before, before + piece.duration_s) for one in rest]
            )

    async def finish(self) -> None:
        """Play what was held back, since nothing follows it."""
        rest = self._counters.take(self._aligner.finish())
        await self._pass_on(self._segmenter.feed(rest) if rest else [])
        await self._pass_on(self._segmenter.finish())
        self._aligner = Aligner()
        self._segmenter = Segmenter(self._segmenter.position_s)

    async def _pass_on(self, segments: list[Segment]) -> None:
        clock, pacer = self.clock, self.pacer
        now = clock.now()
        ready: list[memoryview] = []
        for segment in segments:
            packets, begin = memoryview(segment.data), 0
            while begin < segment.count:
                self.position_s = segment.time(begin)
                end = max(begin, segment.due(pacer.horizon_s(self.position_s, now)))
                if end > begin:
                    ready.append(packets[begin * PACKET_BYTES : end * PACKET_BYTES])
                    begin = end
                    continue
                self._send(ready, now)
                await clock.sleep(pacer.wait_s(self.position_s, now))
                now = clock.now()
        self._send(ready, now)

    def _send(self, ready: list[memoryview], now: float) -> None:
        if ready:
            self.put_at = now
            self.out.put_ts(ready[0] if len(ready) == 1 else b"".join(ready), now)
            ready.clear()
