"""A clock, files and a stream in memory for the file plugin's tests."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError, MediaError
from streamctl.media.packet import TIMESCALE, Codec, Kind, Packet, Track
from streamctl.testing.clock import FakeClock
from streamctl.testing.gate import NoStreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from streamctl.sdk.context import AvWorker, Clock, Demuxer, Streams

VIDEO = Track(0, Codec.H264, b"\1")
AUDIO = Track(1, Codec.AAC, b"\x11\x90")


def packet(seconds: float) -> Packet:
    dts = round(seconds * TIMESCALE)
    return Packet(0, dts, dts, Kind.P, 0, b"")


@dataclass
class Batch:
    """Packets of a file, and the tracks that are valid from them on."""

    packets: list[Packet]
    tracks: Sequence[Track] = (VIDEO, AUDIO)


@dataclass
class MemoryDemuxer:
    """Hands out batches as a child process would."""

    batches: list[Batch]
    fails: bool = False
    duration_s: float = 2.0
    tracks: Sequence[Track] = (VIDEO, AUDIO)
    notes: Sequence[str] = ()

    async def packets(self) -> AsyncIterator[list[Packet]]:
        for batch in self.batches:
            if list(batch.tracks) != list(self.tracks):
                self.tracks = batch.tracks
            yield list(batch.packets)
        if self.fails:
            raise MediaError("the media process was killed by SIGKILL")


@dataclass
class MemoryWorker:
    """Implements AvWorker over :class:`MemoryDemuxer`."""

    demuxer: MemoryDemuxer
    asked: list[tuple[Path, bool, float]] = field(default_factory=list)
    running: int = 0

    @asynccontextmanager
    async def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AsyncIterator[Demuxer]:
        self.asked.append((path, loop, start_s))
        self.running += 1
        try:
            yield self.demuxer
        finally:
            self.running -= 1


class MemoryContext:
    """Implements Context."""

    def __init__(
        self, batches: list[Batch], *, fails: bool = False, path: Path = Path("/media/a.mp4")
    ) -> None:
        self.path = path
        self.time = FakeClock()
        self.worker = MemoryWorker(MemoryDemuxer(batches, fails))
        self.clock: Clock = self.time
        self.avworker: AvWorker = self.worker
        self.log = logging.getLogger("test")
        self.handshake_s = 10.0
        self.streams: Streams = NoStreams()

    def resolve_file(self, url: str) -> Path:
        if "outside" in url:
            raise ConfigError("outside the media roots")
        return self.path

    def place_file(self, url: str) -> Path:
        raise AssertionError(url)


class RecordingWriter:
    """An EpochWriter that remembers what it got, and when."""

    def __init__(self) -> None:
        self.announced: list[Sequence[Track]] = []
        self.written: list[tuple[float, list[float]]] = []
        self.sent: list[tuple[float, bytes]] = []
        self.selected: list[tuple[int | None, tuple[int, ...]]] = []

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced.append(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        self.written.append((round(now, 6), [each.dts / TIMESCALE for each in packets]))

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        assert not self.sent
        self.selected.append((program, tuple(pids)))

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        self.sent.append((now, bytes(data)))

    def drop(self, count: int) -> None:
        raise AssertionError(f"{count} dropped")

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)
