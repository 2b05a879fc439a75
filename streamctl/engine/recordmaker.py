"""How the items of a lane become the bytes of a file.

MPEG-TS and FLV are what their lanes hold: every random-access point says what a joiner needs, so
the first one begins a file. MP4 and Matroska are made of packets by a child process, because
their heads and indexes are told only by whole files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
from anyio import to_thread

from streamctl.avworker import wire
from streamctl.avworker.client import AvWorkerClient
from streamctl.avworker.wire import MAX_PACKETS, Record, RecordType
from streamctl.errors import MediaError, StreamctlError, Unsupported
from streamctl.media.flv_packer import CODECS as FLV_CODECS
from streamctl.media.packet import Chunk, Format, Media, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from streamctl.avworker.client import RunningMuxer
    from streamctl.engine.graph import Graph
    from streamctl.engine.recording import RecordingFile
    from streamctl.media.packet import Item

LANES = {".ts": Format.MPEGTS, ".flv": Format.FLV}
MUXERS = {".mp4": "mp4", ".mkv": "matroska"}
BATCH_BYTES = 4 << 20
"""Media of one record for the child, unless a single access unit is larger."""


class Maker(Protocol):
    """Makes one file."""

    format: Format
    """The lane that it is made of."""

    def kept(self, graph: Graph, tracks: Sequence[Track]) -> list[Track]:
        """Those of the tracks that the file can hold."""

    def announce(self, tracks: Sequence[Track]) -> bytes:
        """What new tracks add to the file.

        Raises:
            MediaError: the file can't go on with them.
        """

    def pack(self, items: Sequence[Item]) -> Iterator[bytes]:
        """What these items add to the file, in pieces for :meth:`write`."""

    async def open(self, tasks: TaskGroup) -> None:
        """Get ready; ``tasks`` is cancelled when the job is over.

        Raises:
            StreamctlError: the child process can't be started.
        """

    async def write(self, data: bytes) -> None:
        """Add to the file.

        Raises:
            StreamctlError: the disk takes no more, or the child process failed.
        """

    async def close(self) -> None:
        """End the file.

        Raises:
            StreamctlError: it can't be ended.
        """


class LaneMaker:
    """A file of a lane's own bytes."""

    def __init__(self, file: RecordingFile, fmt: Format) -> None:
        self.file = file
        self.format = fmt
        self.begun = False
        self.joined = False

    def kept(self, graph: Graph, tracks: Sequence[Track]) -> list[Track]:
        """Those that the converter carries; of FLV the first of each medium.

        What passes as it came needs no converter.
        """
        if graph.origin is self.format:
            return list(tracks)
        codecs = graph.entry(self.format).spec.codecs
        kept = [track for track in tracks if track.codec in codecs]
        if self.format is not Format.FLV:
            return kept
        return list({track.media: track for track in reversed(kept)}.values())

    def announce(self, tracks: Sequence[Track]) -> bytes:
        """The head of an FLV file; else nothing, because the lane says what changes."""
        if self.format is not Format.FLV or self.begun:
            return b""
        self.begun = True
        media = {track.media for track in tracks}
        flags = (Media.VIDEO in media) | (Media.AUDIO in media) << 2
        return b"FLV\1" + bytes((flags, 0, 0, 0, 9, 0, 0, 0, 0))

    def pack(self, items: Sequence[Item]) -> Iterator[bytes]:
        """The bytes of the chunks, from the first random-access point on."""
        for item in items:
            if isinstance(item, Chunk) and (self.joined or item.rap):
                yield (b"" if self.joined else item.join) + item.lead + item.data
                self.joined = True

    async def open(self, tasks: TaskGroup) -> None:
        """Nothing to do."""

    async def write(self, data: bytes) -> None:
        """Write in a thread."""
        await to_thread.run_sync(self.file.write, data)

    async def close(self) -> None:
        """Nothing to do."""


class MuxMaker:
    """A file that libav makes of packets in a child process."""

    format = Format.PACKETS

    def __init__(self, file: RecordingFile, fmt: str) -> None:
        self.file = file
        self.muxer = fmt
        self.tracks: tuple[Track, ...] = ()
        self._muxer: RunningMuxer
        self._failure: StreamctlError | None = None
        self._done = anyio.Event()

    def kept(self, graph: Graph, tracks: Sequence[Track]) -> list[Track]:
        """Those that the child can describe to libav."""
        del graph
        return [track for track in tracks if track.codec in FLV_CODECS]

    def announce(self, tracks: Sequence[Track]) -> bytes:
        """The tracks, the first time; the head of the file can't be changed later."""
        kept = tuple(track for track in tracks if track.codec in FLV_CODECS)
        if not self.tracks:
            self.tracks = kept
            return wire.tracks_record(kept).serialize()
        if [(t.codec, t.config) for t in kept] != [(t.codec, t.config) for t in self.tracks]:
            raise MediaError(
                f"the tracks of the source changed: `{self.file.path.suffix}` can't go on",
                hint="record such a source as .ts",
            )
        return b""

    def pack(self, items: Sequence[Item]) -> Iterator[bytes]:
        """Records of packets."""
        known = {track.id for track in self.tracks}
        batch: list[Packet] = []
        size = 0
        for item in items:
            if not isinstance(item, Packet) or item.track not in known:
                continue
            if batch and (len(batch) == MAX_PACKETS or size + len(item.data) > BATCH_BYTES):
                yield wire.packets_record(batch).serialize()
                batch, size = [], 0
            batch.append(item)
            size += len(item.data)
        if batch:
            yield wire.packets_record(batch).serialize()

    async def open(self, tasks: TaskGroup) -> None:
        """Start the child."""
        self._muxer = await tasks.start(self._run)

    async def write(self, data: bytes) -> None:
        """Hand over to the child."""
        if self._failure is None:
            try:
                await self._muxer.send(data)
            except MediaError:
                await self._done.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Let the child write the end."""
        await self.write(Record(RecordType.END).serialize())
        await self._done.wait()
        if self._failure is not None:
            raise self._failure

    async def _run(self, *, task_status: TaskStatus[RunningMuxer]) -> None:
        """Write what the child makes until it has made everything."""
        started = False
        try:
            async with AvWorkerClient().mux(self.muxer) as muxer:
                task_status.started(muxer)
                started = True
                while (made := await muxer.written()) is not None:
                    at, data = made
                    await to_thread.run_sync(self.file.write, data, at)
        except StreamctlError as error:
            self._failure = error
            if not started:
                raise
        finally:
            self._done.set()


def maker_of(file: RecordingFile) -> Maker:
    """What makes a file of this name.

    Raises:
        Unsupported: no recording can be made of it.
    """
    ending = file.path.suffix.lower()
    if ending in LANES:
        return LaneMaker(file, LANES[ending])
    if ending in MUXERS:
        return MuxMaker(file, MUXERS[ending])
    known = ", ".join((*LANES, *MUXERS))
    raise Unsupported(
        f"can't tell what to record from the name `{file.path.name}`", hint=f"names end in {known}"
    )
