"""An open source: its tracks and their access units, as demux and probe share it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streamctl.avworker.container import codec_name, raw_packets
from streamctl.avworker.elementary import Clock, Reader, reader_of
from streamctl.media.packet import Codec, Media, Track
from streamctl.media.reader import CODECS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.stream import Stream

    from streamctl.media.packet import Packet

LIBAV_NAMES = {
    "mpeg2video": Codec.MPEG2,
    "pcm_alaw": Codec.G711A,
    "pcm_mulaw": Codec.G711U,
}
"""Codecs that libav names differently; all others by their value in :class:`Codec`."""

LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
"""ISO 639, or BCP 47 as Matroska has it."""


class Source:
    """The streams of an open container and one reader for each that is wanted."""

    def __init__(self, container: InputContainer) -> None:
        self.container = container
        self.format = short_format(container.format.name)
        self.clock = Clock(self.format)
        self.duration_s = max(container.duration or 0, 0) / 1_000_000
        self.readers: dict[int, Reader] = {}
        """By index of the stream in the container."""

    def add(self, stream: Stream) -> None:
        """Read this stream, as the next track."""
        track = declared_track(stream, len(self.readers))
        reader = reader_of(codec_of(stream))
        self.readers[stream.index] = reader(track, stream, self.clock)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as they are known by now."""
        return tuple(reader.track for reader in self.readers.values())

    def packets(self) -> Iterator[tuple[Reader, Packet]]:
        """Access units in file order with their reader; ends quietly at damage."""
        streams = [reader.stream for reader in self.readers.values()]
        for raw in raw_packets(self.container, streams):
            reader = self.readers.get(raw.stream_index)
            if reader is not None:
                for packet in reader.read(raw):
                    yield reader, packet
        for reader in self.readers.values():
            for packet in reader.flush():
                yield reader, packet


def carried(container: InputContainer) -> tuple[list[Stream], list[str]]:
    """The streams that go on air, video first, and remarks on the others.

    One video track, because viewers of every protocol expect one; all audio tracks, because the
    first is the default and the others are languages.
    """
    pictures = preferred(container, Media.VIDEO)[:1]
    chosen = [*pictures, *preferred(container, Media.AUDIO)]
    indexes = {stream.index for stream in chosen}
    notes = [
        f"left out: {stream.type} track {stream.index} (`{codec_name(stream)}`)"
        for stream in container.streams
        if stream.index not in indexes
    ]
    return chosen, notes


def preferred(container: InputContainer, media: Media) -> list[Stream]:
    """The streams of a medium that can go on air, the one first that the container prefers."""
    best = container.streams.best(media.value)
    found = [s for s in container.streams if s.type == media.value and codec_of(s) in CODECS]
    return sorted(found, key=lambda stream: stream is not best)


def codec_of(stream: Stream) -> Codec | None:
    """The codec, or None when streamctl has no name for it."""
    name = codec_name(stream)
    if name in LIBAV_NAMES:
        return LIBAV_NAMES[name]
    try:
        return Codec(name)
    except ValueError:
        return None


def language_of(stream: Stream) -> str:
    """The language of a track; empty when it is undetermined, or no language at all."""
    language = stream.language or ""
    return language if language != "und" and LANGUAGE.fullmatch(language) else ""


def short_format(name: str) -> str:
    """The usual name of a container; libav lists all aliases of its family."""
    first = name.partition(",")[0]
    return {"mov": "mp4", "matroska": "mkv"}.get(first, first)


def declared_track(stream: Stream, number: int) -> Track:
    """The track as the container declares it, without its configuration."""
    codec = codec_of(stream) or Codec.DATA
    track = Track(number, codec, language=language_of(stream))
    if isinstance(stream, VideoStream):
        video = stream.codec_context
        fps = float(stream.average_rate or 0)
        return replace(
            track, width=video.width, height=video.height, fps=fps, bitrate=video.bit_rate or 0
        )
    if isinstance(stream, AudioStream):
        audio = stream.codec_context
        return replace(
            track,
            sample_rate=audio.sample_rate or 0,
            channels=audio.channels,
            bitrate=audio.bit_rate or 0,
        )
    return track
