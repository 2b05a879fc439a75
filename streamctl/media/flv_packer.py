"""From access units to FLV tags, as far as RTMP messages and tags of a stream are the same.

The bytes depend on nothing that was sent before (absolute timestamps), so viewers share them.
Milliseconds are rounded from 90 kHz absolutely, never summed, and the composition offset is the
difference of two rounded values, so that no error adds up. How a tag stands on the wire is left
to subclasses.

Specification: Adobe FLV 10.1 annex E.4.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from streamctl.media import amf0, flv
from streamctl.media.packet import Codec, Init, Kind, Media, Packet
from streamctl.media.timestamps import ticks_to_ms

if TYPE_CHECKING:
    from streamctl.media.packet import Track

CODECS = frozenset({Codec.H264, Codec.AAC})
"""What this form of FLV carries."""


class TagType(enum.IntEnum):
    """Types of tags, and of the RTMP messages with the same content."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


class TagPacker(ABC):
    """Makes the tags of one epoch's first video and first audio track."""

    def __init__(self, *, base: int) -> None:
        self.base = base
        """Media time that becomes 0 ms, 90 kHz; may be set anew between tags."""
        self.video: Track | None = None
        self.audio: Track | None = None
        self.metadata_names: tuple[str, ...] = ("onMetaData",)
        """What stands before the properties in script data."""

    @abstractmethod
    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        """The bytes of a tag whose body is ``head`` and ``data``; ``timestamp`` has 32 bits."""

    def use(self, init: Init) -> None:
        """Take the tracks of an epoch; those that FLV can't carry are left out."""
        tracks = [track for track in init.tracks if track.codec in CODECS]
        self.video = next((track for track in tracks if track.media is Media.VIDEO), None)
        self.audio = next((track for track in tracks if track.media is Media.AUDIO), None)

    def headers(self, time: int) -> bytes:
        """Metadata and sequence headers, as they must stand before media of that time.

        Metadata is always of time 0: FFmpeg, and VLC with it, takes script data of any other
        time for the first sample of a subtitle track, and waits for more.
        """
        timestamp = self.timestamp(time)
        video, audio = self.video, self.audio
        tracks = [track for track in (video, audio) if track is not None]
        values = amf0.EcmaArray(flv.build_metadata(tracks))
        parts = [self.tag(TagType.SCRIPT, 0, b"", amf0.encode(*self.metadata_names, values))]
        if video is not None and video.config:
            parts.append(self.tag(TagType.VIDEO, timestamp, flv.AVC_CONFIG, video.config))
        if audio is not None and audio.config:
            parts.append(self.tag(TagType.AUDIO, timestamp, flv.AAC_CONFIG, audio.config))
        return b"".join(parts)

    def message(self, packet: Packet) -> bytes:
        """The tag of one access unit; empty for tracks that are left out."""
        number = packet.track
        if self.video is not None and number == self.video.id:
            timestamp = ticks_to_ms(packet.dts - self.base)
            cts = ticks_to_ms(packet.pts - self.base) - timestamp
            head = flv.video_header(packet.kind is Kind.KEY, cts)
            return self.tag(TagType.VIDEO, wrap(timestamp), head, packet.data)
        if self.audio is not None and number == self.audio.id:
            timestamp = self.timestamp(packet.pts)
            return self.tag(TagType.AUDIO, timestamp, flv.AAC_FRAME, packet.data)
        return b""

    def timestamp(self, time: int) -> int:
        """The timestamp of a tag for a media time."""
        return wrap(ticks_to_ms(time - self.base))


def wrap(timestamp: int) -> int:
    """A timestamp as it stands on the wire; what lies before the base stands at it."""
    return timestamp & 0xFFFFFFFF if timestamp > 0 else 0
