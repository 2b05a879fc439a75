"""Records the stream of a job into one file, bytes as the lanes have them.

The writer runs in a thread beside the loop: a slow disk delays nobody, until what waits for it
passes a bound. Containers are left to the converters of the lanes; what makes a lane's bytes a
file is that every lane says at its first random-access point what a joiner needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.engine.recording import RecordingFile
from streamctl.errors import MediaError, StreamctlError, Unsupported
from streamctl.media.codecs import TITLES
from streamctl.media.packet import Boundary, Chunk, Format, InitChange, Media

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from streamctl.engine.job import Job
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Init, Item

FORMATS = {".ts": Format.MPEGTS, ".flv": Format.FLV}
"""What recordings are made of, by the ending of their name."""
WAITING_BYTES = 128 << 20
"""Media that may wait for the disk: the better part of a minute at the rates of live streams."""


class Recorder:
    """Implements :class:`streamctl.engine.job.Part`."""

    def __init__(self, path: Path, *, force: bool = False, max_bytes: int = 0) -> None:
        self.format = format_of(path)
        self.file = RecordingFile(path, force=force)
        self.max_bytes = max_bytes
        """Stop the job at this size; 0 = never."""
        self.joined = False
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
        job.stream.graph.attach(self.format, self)
        tasks.start_soon(self._run)

    def feed(self, items: Sequence[Item]) -> None:
        """Take items of the lane, in order."""
        for item in items:
            if isinstance(item, Chunk):
                self._take(item)
            elif isinstance(item, (Boundary, InitChange)):
                self._check(item.init)
        if self._waiting_bytes > WAITING_BYTES:
            self._fail(StreamctlError(f"the disk is too slow for `{self.file.path}`"))
        self._wake.set()

    async def finish(self) -> None:
        """Return when the file is whole."""
        self._ended = True
        self._wake.set()
        await self._done.wait()

    def _take(self, chunk: Chunk) -> None:
        if self.full or not (self.joined or chunk.rap):
            return
        data = chunk.data if self.joined else chunk.join + chunk.data
        size = self.file.size + self._waiting_bytes + len(data)
        if self.max_bytes and size > self.max_bytes:
            self.full = True
            self._job.stop()
            return
        self.joined = True
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _check(self, init: Init) -> None:
        """Refuse a stream of which the picture would be missing."""
        spec = self._stream.graph.entry(self.format).spec
        source = self._stream.graph.base.init or init
        video = source.first(Media.VIDEO)
        if video is not None and video.codec not in spec.codecs:
            name = self.file.path.suffix
            self._fail(MediaError(f"`{name}` can't hold {TITLES[video.codec]}"))
        for track in source.tracks:
            remark = f"left out: track {track.id}, {TITLES[track.codec]}"
            if track.codec not in spec.codecs and remark not in self.remarks:
                self.remarks.append(remark)

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
        waiting, self._waiting = self._waiting, []
        data = b"".join(waiting)
        try:
            await to_thread.run_sync(self.file.write, data)
        except StreamctlError as error:
            self._waiting.clear()
            self._fail(error)
        finally:
            self._waiting_bytes -= len(data)

    async def _close(self) -> None:
        """Write what still waits, and give the file its name; the first error counts."""
        try:
            if self._waiting:
                await self._write()
            await to_thread.run_sync(self.file.commit)
        except StreamctlError as error:
            self._failure = self._failure or error


def format_of(path: Path) -> Format:
    """The format that a file of this name has.

    Raises:
        Unsupported: no recording can be made of it.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        known = ", ".join(sorted(FORMATS))
        raise Unsupported(
            f"can't tell what to record from the name `{path}`", hint=f"names end in {known}"
        )
    return found
