"""Plays one file into a stream, in real time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import lowlevel

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.pace import Pacer
from streamctl.media.packet import TIMESCALE
from streamctl_file.transport import TransportFile

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.media.mpegts.clocked import Segment
    from streamctl.media.packet import Packet
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_file.options import FileInputOptions

MUCH_BYTES = 262_144
"""What is handed over in one turn of the loop: a source that was held up has much to catch up."""
WHOLE = 0.95
"""A file that ends before this part of its declared length is not whole; the rest is rounding."""


class FileSource:
    """One run of a file from its beginning; implements :class:`streamctl.sdk.endpoints.Source`.

    A transport stream with a clock is passed on as it is, by that clock; of any other file the
    access units are delivered by their decoding times.
    """

    def __init__(self, url: StreamURL, ctx: Context, options: FileInputOptions) -> None:
        self.url = url
        self.ctx = ctx
        self.options = options
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
        opening = partial(TransportFile.open, path, loop=self.options.loop)
        transport = await anyio.to_thread.run_sync(opening)
        if transport is None:
            await self._run_container(path, out)
        else:
            await self._run_transport(transport, out)

    async def _run_transport(self, transport: TransportFile, out: EpochWriter) -> None:
        options = self.options
        self.duration_s = transport.duration_s
        options.choose(out)
        pacer = Pacer()
        try:
            while (segments := await anyio.to_thread.run_sync(transport.read)) is not None:
                await self._pass_on(segments, pacer, out)
        finally:
            transport.close()

    async def _pass_on(self, segments: list[Segment], pacer: Pacer, out: EpochWriter) -> None:
        clock = self.ctx.clock
        ready: list[memoryview] = []
        now = clock.now()
        for segment in segments:
            packets, begin = memoryview(segment.data), 0
            while begin < segment.count:
                self.position_s = segment.time(begin)
                end = max(begin, segment.due(pacer.horizon_s(self.position_s, now)))
                if end > begin:
                    ready.append(packets[begin * PACKET_BYTES : end * PACKET_BYTES])
                    begin = end
                    if sum(map(len, ready)) >= MUCH_BYTES:
                        send(ready, now, out)
                        await lowlevel.checkpoint()
                    continue
                send(ready, now, out)
                await clock.sleep(pacer.wait_s(self.position_s, now))
                now = clock.now()
        send(ready, now, out)

    async def _run_container(self, path: Path, out: EpochWriter) -> None:
        pacer = Pacer()
        async with self.ctx.avworker.demux(path, loop=self.options.loop) as demuxer:
            self.duration_s = demuxer.duration_s
            if self.options.selective:
                self.ctx.log.warning("%s has no programs to choose from", path)
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
                await clock.sleep(pacer.wait_s(batch[begin].dts / TIMESCALE, now))


def send(ready: list[memoryview], now: float, out: EpochWriter) -> None:
    """Hand over what is ready in one piece, and forget it."""
    if ready:
        out.put_ts(ready[0] if len(ready) == 1 else b"".join(ready), now)
        ready.clear()
