"""What the server and the commands know of avworker: demux a file, mux one, probe a source.

No libav here: each call runs one child process and translates its records. Implements
:class:`streamctl.sdk.context.AvWorker`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from pydantic import ValidationError

from streamctl.avworker import wire
from streamctl.avworker.process import start
from streamctl.avworker.report import ProbeReport
from streamctl.avworker.wire import DemuxJob, MuxJob, Opened, ProbeJob, RecordType
from streamctl.errors import ConnectionFailed, MediaError, RemoteProtocolError
from streamctl.sdk.url import SCHEME, StreamURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streamctl.avworker.process import Child
    from streamctl.avworker.wire import Record
    from streamctl.media.packet import Packet, Track

OPEN_TIMEOUT_S = 30.0
"""Opening reads a few megabytes at most; a disk that needs longer can't feed a stream."""
STALL_TIMEOUT_S = 30.0
"""Longest wait for the next packets of an open file."""
NETWORK_DURATION_S = 10.0
"""Media that a probe reads of a live source: five groups of pictures of a usual encoder."""
PROBED_SCHEMES = frozenset({"file", "http", "https", "rtmp", "rtmps", "tcp"})
"""What libav opens here: protocols whose options and checks it has as we do."""


class RunningDemuxer:
    """A file being demuxed in a child; implements :class:`streamctl.sdk.context.Demuxer`."""

    def __init__(self, child: Child, opened: Opened) -> None:
        self.child = child
        self.tracks: Sequence[Track] = opened.tracks
        self.duration_s = opened.duration_s
        self.format = opened.format
        self.notes: Sequence[str] = opened.notes
        """What was left out, and why."""

    def packets(self) -> AsyncIterator[list[Packet]]:
        """Batches of access units; ``tracks`` is replaced before a batch that needs it.

        Raises:
            MediaError: the file became unreadable, or the child process died.
        """
        return self

    def __aiter__(self) -> RunningDemuxer:
        return self

    async def __anext__(self) -> list[Packet]:
        try:
            with anyio.fail_after(STALL_TIMEOUT_S):
                return await self._next()
        except TimeoutError:
            raise MediaError(f"nothing was read for {STALL_TIMEOUT_S:g} s") from None
        except RemoteProtocolError as error:
            raise MediaError(f"the media process sent nonsense: {error}") from None

    async def _next(self) -> list[Packet]:
        while True:
            record = await self.child.receive()
            if record.type is RecordType.PACKETS:
                return wire.parse_packets(record)
            if record.type is RecordType.END:
                raise StopAsyncIteration
            if record.type is not RecordType.TRACKS:
                raise RemoteProtocolError(f"unexpected {record.type.name}")
            self.tracks = wire.parse_tracks_record(record)


class RunningMuxer:
    """A child that makes a file of packets; both directions must be driven at the same time."""

    def __init__(self, child: Child) -> None:
        self.child = child

    async def send(self, records: bytes) -> None:
        """Hand over tracks, packets, and the end, as ``wire`` writes them.

        Raises:
            MediaError: the child process died.
        """
        await self.child.send(records)

    async def written(self) -> tuple[int, bytes] | None:
        """The next bytes of the file and where they stand; None when it is whole.

        Raises:
            MediaError: the format can't hold the tracks, or the child process died.
        """
        record = await self.child.receive()
        if record.type is RecordType.END:
            return None
        try:
            if record.type is not RecordType.WRITE:
                raise RemoteProtocolError(f"unexpected {record.type.name}")
            return wire.parse_write(record)
        except RemoteProtocolError as error:
            raise MediaError(f"the media process sent nonsense: {error}") from None


class AvWorkerClient:
    """Runs child processes for whoever needs libav."""

    @asynccontextmanager
    async def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AsyncIterator[RunningDemuxer]:
        """Demux a file in a child process that ends with the context.

        Raises:
            MediaError: unreadable, or no track that streamctl can carry.
        """
        job = DemuxJob(str(await anyio.Path(path).absolute()), loop, start_s)
        async with start(job) as child:
            yield RunningDemuxer(child, await opened(child))

    @asynccontextmanager
    async def mux(self, fmt: str) -> AsyncIterator[RunningMuxer]:
        """Make a file of one of libav's formats in a child process that ends with the context.

        Raises:
            MediaError: the child can't be started.
        """
        async with start(MuxJob(fmt)) as child:
            yield RunningMuxer(child)

    async def probe(
        self, target: str | Path, *, duration_s: float | None = None, timeout_s: float = 60.0
    ) -> ProbeReport:
        """Measure a file or URL.

        Args:
            target: a path, a ``file:`` URL, or a network URL that libav opens.
            duration_s: media to read; None = all of a file, 10 s of a network source.
            timeout_s: bound of the whole probe.

        Raises:
            MediaError: unreadable, or of a kind that can't be probed.
            ConnectionFailed: the source can't be reached or stays silent.
        """
        job = await probe_job(target, duration_s, timeout_s)
        try:
            with anyio.fail_after(timeout_s):
                async with start(job) as child:
                    record = await child.receive()
        except TimeoutError:
            reason = f"not probed within {timeout_s:g} s: `{job.shown}`"
            raise ConnectionFailed(reason) if job.network else MediaError(reason) from None
        return parse_report(record)


def parse_report(record: Record) -> ProbeReport:
    """The report of a child.

    Raises:
        MediaError: it sent something else.
    """
    if record.type is not RecordType.REPORT:
        raise MediaError(f"the media process sent nonsense: unexpected {record.type.name}")
    try:
        return ProbeReport.model_validate_json(record.payload)
    except ValidationError as error:
        raise MediaError(f"the media process sent nonsense: {error.title}") from None


async def opened(child: Child) -> Opened:
    """What the child found in its file."""
    try:
        with anyio.fail_after(OPEN_TIMEOUT_S):
            record = await child.receive()
        if record.type is not RecordType.OPENED:
            raise RemoteProtocolError(f"unexpected {record.type.name}")
        return wire.parse_opened(record)
    except TimeoutError:
        raise MediaError(f"not opened within {OPEN_TIMEOUT_S:g} s") from None
    except RemoteProtocolError as error:
        raise MediaError(f"the media process sent nonsense: {error}") from None


async def probe_job(target: str | Path, duration_s: float | None, timeout_s: float) -> ProbeJob:
    """The job for a target.

    Raises:
        MediaError: libav has no protocol for its scheme.
    """
    text = str(target)
    found = None if isinstance(target, Path) else SCHEME.match(text)
    if found is not None and found.group(1).lower() != "file":
        shown = checked_url(text, found.group(1).lower().rpartition("+")[2])
        media_s = NETWORK_DURATION_S if duration_s is None else duration_s
        plain = text[found.start(1) :].partition("+")[2] if "+" in found.group(1) else text
        return ProbeJob(plain, shown, network=True, duration_s=media_s, timeout_s=timeout_s)
    path = StreamURL.parse(text).path if found is not None else text
    whole = 0.0 if duration_s is None else duration_s
    absolute = str(await anyio.Path(path).absolute())
    # Names of files are bytes, and a report is text.
    shown = path.encode("utf-8", "backslashreplace").decode()
    return ProbeJob(absolute, shown, network=False, duration_s=whole, timeout_s=timeout_s)


def checked_url(text: str, scheme: str) -> str:
    """The URL as it may be shown.

    Raises:
        MediaError: libav has no protocol for its scheme.
    """
    if scheme not in PROBED_SCHEMES:
        known = ", ".join(sorted(PROBED_SCHEMES))
        raise MediaError(f"`{scheme}` can't be probed", hint=f"one of {known}", permanent=True)
    return redacted(text)


def redacted(text: str) -> str:
    """The URL with secrets replaced, whatever kind it is."""
    forced = text if "://" not in text or "+" in text.partition("://")[0] else f"probe+{text}"
    return StreamURL.parse(forced).redacted.removeprefix("probe+")
