"""Plays one file into a stream, in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.media.packet import TIMESCALE
from streamctl_file.pacing import Pacer

if TYPE_CHECKING:
    from streamctl.media.packet import Packet
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL

WHOLE = 0.95
"""A file that ends before this part of its declared length is not whole; the rest is rounding."""


class FileSource:
    """One run of a file from its beginning; implements :class:`streamctl.sdk.endpoints.Source`.

    The engine's clock decides when a packet is due, so a file of any container, MPEG-TS too,
    leaves at the speed at which it is to be shown.
    """

    def __init__(self, url: StreamURL, ctx: Context, *, loop: bool) -> None:
        self.url = url
        self.ctx = ctx
        self.loop = loop
        self.duration_s = 0.0
        """Length of one pass; 0 until the file is open, or unknown."""
        self.position_s = 0.0
        """Media time delivered so far, all passes together."""

    async def run(self, out: EpochWriter) -> None:
        """Deliver until the end of the file, or for ever when it loops.

        Raises:
            ConfigError: the path is not allowed or not readable.
            MediaError: the file can't be read, or the child process died.
        """
        path = await anyio.to_thread.run_sync(self.ctx.resolve_file, self.url.raw)
        pacer = Pacer()
        async with self.ctx.avworker.demux(path, loop=self.loop) as demuxer:
            self.duration_s = demuxer.duration_s
            for note in demuxer.notes:
                self.ctx.log.warning("%s: %s", path, note)
            tracks = demuxer.tracks
            out.tracks(tracks)
            async for batch in demuxer.packets():
                if demuxer.tracks is not tracks:
                    tracks = demuxer.tracks
                    out.tracks(tracks)
                await self._deliver(batch, pacer, out)
        if self.position_s < self.duration_s * WHOLE - 1:
            self.ctx.log.warning(
                "%s ended after %.0f s of %.0f: it is cut off or damaged",
                *(path, self.position_s, self.duration_s),
            )

    async def _deliver(self, batch: list[Packet], pacer: Pacer, out: EpochWriter) -> None:
        clock = self.ctx.clock
        begin = 0
        while begin < len(batch):
            now = clock.now()
            end = pacer.due(batch, begin, now)
            if end > begin:
                self.position_s = batch[end - 1].dts / TIMESCALE
                out.put(batch[begin:end], now)
                begin = end
            else:
                await clock.sleep(pacer.wait_s(batch[begin], now))
