"""Records the stream of a job into one file.

The disk is written to beside the loop: a slow one delays nobody, until what waits for it passes a
bound. How the stream becomes the bytes of a file is left to the makers, names and the safety of
files to :class:`~streamctl.engine.recording.RecordingFile`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.engine.recording import RecordingFile
from streamctl.engine.recordmaker import MUXERS, maker_of
from streamctl.errors import MediaError, StreamctlError
from streamctl.media.codecs import TITLES
from streamctl.media.flv_packer import CODECS as FLV_CODECS
from streamctl.media.packet import Boundary, InitChange, Media

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from streamctl.engine.job import Job
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Init, Item

WAITING_BYTES = 128 << 20
"""Media that may wait for the disk: the better part of a minute at the rates of live streams."""


WRITE_BYTES = 8 << 20
"""Media that is written at once: what waits is not held a second time."""


class Recorder:
    """Implements :class:`streamctl.engine.job.Part`."""

    def __init__(self, path: Path, *, force: bool = False, max_bytes: int = 0) -> None:
        self.file = RecordingFile(path, force=force)
        self.maker = maker_of(self.file)
        self.max_bytes = max_bytes
        """Stop the job at this size; 0 = never."""
        self.full = False
        """The recording has reached its size, or the disk took no more."""
        self.remarks: list[str] = []
        """What of the source is not in the file."""
        self._job: Job
        self._stream: Stream
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._failure: StreamctlError | None = None
        self._ended = False
        self._wake = anyio.Event()
        self._done = anyio.Event()

    async def open(self, job: Job, tasks: TaskGroup) -> None:
        """Create the file and follow the lane.

        Raises:
            StreamctlError: the file can't be created, or nothing makes its format.
        """
        self._job = job
        self._stream = job.stream
        await to_thread.run_sync(self.file.open)
        await self.maker.open(tasks)
        job.stream.graph.attach(self.maker.format, self)
        tasks.start_soon(self._run)

    def feed(self, items: Sequence[Item]) -> None:
        """Take items of the lane, in order."""
        for item in items:
            if isinstance(item, (Boundary, InitChange)):
                self._announce(item.init)
        for data in self.maker.pack(items):
            self._take(data)
        if self._waiting_bytes > WAITING_BYTES:
            self._fail(StreamctlError(f"the disk is too slow for `{self.file.path}`"))
        self._wake.set()

    async def finish(self) -> None:
        """Return when the file is whole."""
        self._ended = True
        self._wake.set()
        await self._done.wait()

    def _take(self, data: bytes) -> None:
        if self.full or not data:
            return
        size = self.file.size + self._waiting_bytes + len(data)
        if self.max_bytes and size > self.max_bytes:
            self.full = True
            self._job.stop()
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _announce(self, init: Init) -> None:
        """Take new tracks; refuse a stream of which the picture would be missing."""
        graph = self._stream.graph
        tracks = (graph.base.init or init).tracks
        kept = self.maker.kept(graph, tracks)
        lost = [track for track in tracks if track not in kept]
        if not any(track.media is Media.VIDEO for track in kept):
            for track in lost:
                if track.media is Media.VIDEO:
                    ending = self.file.path.suffix
                    text = f"`{ending}` can't hold {TITLES[track.codec]}"
                    hint = f"record as {' or '.join(MUXERS)}" if track.codec in FLV_CODECS else ""
                    self._fail(MediaError(text, hint=hint))
                    return
        remarks = [f"left out: track {track.id}, {TITLES[track.codec]}" for track in lost]
        self.remarks += [remark for remark in remarks if remark not in self.remarks]
        try:
            self._take(self.maker.announce(init.tracks))
        except StreamctlError as error:
            self._fail(error)

    def _fail(self, error: StreamctlError) -> None:
        """Take no more, and end the job with an error."""
        self.full = True
        self._failure = self._failure or error
        self._job.stop()

    async def _run(self) -> None:
        try:
            while not self._ended or self._waiting:
                self._wake = anyio.Event()
                if not self._waiting and not self._ended:
                    await self._wake.wait()
                await self._write()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()
            self._done.set()
        if self._failure is not None:
            raise self._failure

    async def _write(self) -> None:
        count = size = 0
        while count < len(self._waiting) and (not count or size < WRITE_BYTES):
            size += len(self._waiting[count])
            count += 1
        data = b"".join(self._waiting[:count])
        del self._waiting[:count]
        try:
            await self.maker.write(data)
        except StreamctlError as error:
            self._waiting.clear()
            self._fail(error)
        finally:
            self._waiting_bytes -= size

    async def _close(self) -> None:
        """Write what still waits, and give the file its name; the first error counts."""
        try:
            while self._waiting:
                await self._write()
            await self.maker.close()
        except StreamctlError as error:
            self._failure = self._failure or error
        try:
            await to_thread.run_sync(self.file.commit)
        except StreamctlError as error:
            self._failure = self._failure or error
