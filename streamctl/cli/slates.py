"""What ``streamctl config check`` says of slates: each is opened, and compared with its stream.

What a stream is like is asked of a running server, whose stream of that code has an input on air
or connected; else a file among the inputs tells. What neither tells is said to be unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.avworker.client import AvWorkerClient
from streamctl.client import Client
from streamctl.config.roots import FILE, playable
from streamctl.engine.slate import slate_remarks
from streamctl.errors import StreamctlError
from streamctl.media.packet import Codec, Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.config.model import Config, InputConfig, StreamConfig
    from streamctl.schema import StreamStatus, TrackStatus

SERVER_TIMEOUT_S = 2.0
"""A server that does not answer at once is not what the file is for."""


@dataclass(slots=True)
class Findings:
    """What was found out about the slates of a configuration."""

    remarks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What could not be compared, and why."""


async def judged(config: Config, server: str) -> Findings:
    """Look at every slate; ``server`` is whom to ask, empty = the usual one."""
    found = Findings()
    streams = [stream for stream in config.streams.values() if slate_of(stream) is not None]
    if not streams:
        return found
    running, silent = await asked(server)
    files = Files(config.server.media_roots)
    for stream in streams:
        slate = slate_of(stream)
        assert slate is not None
        if slate.url.kind != FILE:
            found.unknown.append(f"stream {stream.code}: only a file can be compared as a slate")
            continue
        try:
            tracks = await files.tracks(slate)
        except StreamctlError as error:
            found.remarks.append(f"stream {stream.code}: the slate can't be shown: {error}")
            continue
        last = shown(running.get(stream.code)) or await files.first_of(stream)
        if not last:
            why = silent or "the server has seen no input of it"
            found.unknown.append(f"stream {stream.code}: the slate is not compared: {why}")
        remarks = slate_remarks(tracks, last, pushed=bool(stream.push))
        found.remarks += [f"stream {stream.code}: {remark}" for remark in remarks]
    return found


def slate_of(stream: StreamConfig) -> InputConfig | None:
    """The slate of a stream, if it has one."""
    return next((one for one in stream.inputs if one.slate), None)


async def asked(server: str) -> tuple[Mapping[str, StreamStatus], str]:
    """The streams of a running server by code, and why there are none."""
    try:
        streams = await Client(server, timeout_s=SERVER_TIMEOUT_S).streams()
    except StreamctlError as error:
        return {}, str(error)
    return {stream.id: stream for stream in streams}, ""


def shown(stream: StreamStatus | None) -> Sequence[Track]:
    """The tracks of the input on air, or of the best one that delivers."""
    inputs = [one for one in stream.inputs if one.role == "input"] if stream else []
    found = [one for one in inputs if one.tracks]
    best = next((one for one in found if one.on_air), found[0] if found else None)
    return [] if best is None else [track_of(track, best.fps) for track in best.tracks]


def track_of(status: TrackStatus, measured_fps: float) -> Track:
    """A track as a document of the API tells of it, at the measured rate if none is declared."""
    return Track(
        status.id,
        Codec(status.codec),
        width=status.width,
        height=status.height,
        fps=status.fps or (measured_fps if status.media == "video" else 0.0),
        sample_rate=status.sample_rate,
        channels=status.channels,
    )


class Files:
    """Opens media files, each once."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = roots
        self._known: dict[Path, Sequence[Track]] = {}

    async def tracks(self, entry: InputConfig) -> Sequence[Track]:
        """What a file contains.

        Raises:
            ConfigError: there is none that may be played.
            MediaError: it can't be read.
        """
        path = await to_thread.run_sync(playable, entry.url.path, self.roots)
        if path not in self._known:
            async with AvWorkerClient().demux(path) as demuxer:
                self._known[path] = demuxer.tracks
        return self._known[path]

    async def first_of(self, stream: StreamConfig) -> Sequence[Track]:
        """What the first file among the inputs of a stream contains; nothing if there is none."""
        for entry in stream.inputs:
            if entry.url.kind == FILE and not entry.slate:
                try:
                    return await self.tracks(entry)
                except StreamctlError:
                    continue
        return ()
