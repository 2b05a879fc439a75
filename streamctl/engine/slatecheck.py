"""What is said of slates when a configuration is judged: each is compared with its stream.

What a stream is like a running server knows, whose stream of that code has an input on air or
connected; else a file among the inputs tells. A slate that is a file is opened, of another one the
running stream knows what it delivers. What nobody tells is said to be unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.config.roots import FILE, playable
from streamctl.engine.slate import slate_remarks
from streamctl.errors import StreamctlError
from streamctl.media.packet import Codec, Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streamctl.config.model import Config, InputConfig, StreamConfig
    from streamctl.schema import InputStatus, StreamStatus, TrackStatus
    from streamctl.sdk.context import AvWorker

UNSEEN = "the server has seen no input of it"


@dataclass(slots=True)
class Findings:
    """What was found out about the slates of a configuration."""

    remarks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What could not be compared, and why."""


def slated(config: Config) -> list[StreamConfig]:
    """The streams that have a slate."""
    return [stream for stream in config.streams.values() if slate_of(stream) is not None]


def slate_of(stream: StreamConfig) -> InputConfig | None:
    """The slate of a stream, if it has one."""
    return next((one for one in stream.inputs if one.slate), None)


async def judge(
    config: Config,
    files: Files,
    running: Mapping[str, StreamStatus],
    found: Findings,
    *,
    silent: str = "",
) -> None:
    """Look at every slate; ``silent`` is why no server tells of ``running`` streams."""
    for stream in slated(config):
        slate = slate_of(stream)
        assert slate is not None
        status = running.get(stream.code)
        try:
            tracks = await files.tracks(slate) if is_file(slate) else delivered(slate, status)
        except StreamctlError as error:
            found.remarks.append(f"stream {stream.code}: the slate can't be shown: {error}")
            continue
        if not tracks:
            why = f"it is no file, and {silent or 'the server has not seen it'}"
            found.unknown.append(f"stream {stream.code}: the slate is not compared: {why}")
            continue
        last = shown(status) or await files.first_of(stream)
        if not last:
            why = silent or UNSEEN
            found.unknown.append(f"stream {stream.code}: the slate is not compared: {why}")
        remarks = slate_remarks(tracks, last, pushed=bool(stream.push))
        found.remarks += [f"stream {stream.code}: {remark}" for remark in remarks]


def is_file(entry: InputConfig) -> bool:
    """Whether an input can be opened without disturbing anybody."""
    return entry.url.kind == FILE


def delivered(slate: InputConfig, status: StreamStatus | None) -> Sequence[Track]:
    """The tracks that a running stream has of this very slate."""
    inputs = status.inputs if status else []
    same = (one for one in inputs if one.role == "slate" and one.url == slate.url.redacted)
    best = next(same, None)
    return [] if best is None else tracks_of(best)


def shown(status: StreamStatus | None) -> Sequence[Track]:
    """The tracks of the input on air, or of the best one that delivers."""
    inputs = [one for one in status.inputs if one.role == "input"] if status else []
    found = [one for one in inputs if one.tracks]
    best = next((one for one in found if one.on_air), found[0] if found else None)
    return [] if best is None else tracks_of(best)


def tracks_of(status: InputStatus) -> list[Track]:
    """The tracks of an input as a document of the API tells of them."""
    return [track_of(track, status.fps) for track in status.tracks]


def track_of(status: TrackStatus, measured_fps: float) -> Track:
    """A track, at the measured rate if none is declared."""
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

    def __init__(self, roots: Sequence[str], avworker: AvWorker) -> None:
        self.roots = roots
        self.avworker = avworker
        self._known: dict[Path, Sequence[Track]] = {}

    async def tracks(self, entry: InputConfig) -> Sequence[Track]:
        """What a file contains.

        Raises:
            ConfigError: there is none that may be played.
            MediaError: it can't be read.
        """
        path = await to_thread.run_sync(
            playable, entry.url.path, self.roots, abandon_on_cancel=True
        )
        if path not in self._known:
            async with self.avworker.demux(path) as demuxer:
                self._known[path] = demuxer.tracks
        return self._known[path]

    async def first_of(self, stream: StreamConfig) -> Sequence[Track]:
        """What the first file among the inputs of a stream contains; nothing if there is none."""
        for entry in stream.inputs:
            if is_file(entry) and not entry.slate:
                try:
                    return await self.tracks(entry)
                except StreamctlError:
                    continue
        return ()
