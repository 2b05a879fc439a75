"""Files in other containers, and short ones made long, without transcoding."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MUXERS = {"ts": "mpegts", "mkv": "matroska", "cut.mp4": "mp4"}
"""Where libav calls a container by another name than its files.

A ``cut.mp4`` is one without sound from before its first picture: GStreamer's reader gives that the
time of what follows.
"""


def open_output(path: Path, container: str) -> OutputContainer:
    """A file to write streams into."""
    return av.open(str(path), "w", format=MUXERS.get(container, container))


def repack(path: Path, copy: Path, container: str, seconds: float = 0.0) -> None:
    """Copy the first video and audio stream of a file, repeated until it is long enough.

    Sound from before the first picture is left out, and in repetitions what would overlap.
    """
    shift = Fraction(0)
    ends: dict[str, Fraction] = {}
    with open_output(copy, container) as out:
        written: dict[int, VideoStream | AudioStream] = {}
        while not ends or float(shift) < seconds:
            with av.open(str(path)) as source:
                streams = pictures_and_sound(source)
                if not written:
                    written = {
                        s.index: out.add_stream_from_template(s, opaque=True) for s in streams
                    }
                begin = first_time(source)
                for packet, time, length in packets(source, streams):
                    kind = packet.stream.type
                    earliest = max(begin + shift, ends.get(kind, begin))
                    if kind == "audio" and time + shift < earliest:
                        continue
                    ends[kind] = max(earliest, time + shift + length)
                    ticks = round(shift / packet.time_base)
                    packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
                    packet.stream = written[packet.stream.index]
                    out.mux(packet)
            shift = (ends["video"] if "video" in ends else ends["audio"]) - begin


def packets(
    source: InputContainer, streams: list[VideoStream | AudioStream]
) -> Iterator[tuple[Packet[Any], Fraction, Fraction]]:
    """Packets in order, with their presentation time and duration in seconds."""
    for packet in source.demux(streams):
        if packet.dts is None or packet.pts is None:
            continue
        length = (packet.duration or 0) * packet.time_base
        if not length and packet.stream.type == "video" and packet.stream.average_rate:
            length = 1 / packet.stream.average_rate
        yield packet, packet.pts * packet.time_base, length


def pictures_and_sound(source: InputContainer) -> list[VideoStream | AudioStream]:
    """The first stream of each kind."""
    return [*source.streams.video[:1], *source.streams.audio[:1]]


def first_time(source: InputContainer) -> Fraction:
    """When the first picture is shown, or the first sound heard where there are no pictures."""
    for stream in pictures_and_sound(source)[:1]:
        if stream.start_time is not None and stream.time_base is not None:
            return stream.start_time * stream.time_base
    return Fraction(0)
