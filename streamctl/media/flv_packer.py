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

from streamctl.media import amf0
from streamctl.media.flv_head import CODECS, Heads, heads
from streamctl.media.flv_metadata import build_metadata
from streamctl.media.packet import Init, Kind, Media, Packet
from streamctl.media.timestamps import ticks_to_ms

if TYPE_CHECKING:
    from streamctl.media.packet import Track

__all__ = ["CODECS", "TagPacker", "TagType", "wrap"]

MAX_TRACKS = 256
"""Tracks of one medium: their numbers have one byte."""


class TagType(enum.IntEnum):
    """Types of tags, and of the RTMP messages with the same content."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


# Looking a member up in its enum costs as much as a call.
AUDIO, VIDEO = TagType.AUDIO, TagType.VIDEO
SOUND, KEY = Kind.AUDIO, Kind.KEY


class TagPacker(ABC):
    """Makes the tags of one epoch's first video and first audio track, or of all its tracks."""

    def __init__(self, *, base: int, multitrack: bool = False) -> None:
        self.base = base
        """Media time that becomes 0 ms, 90 kHz; may be set anew between tags."""
        self.multitrack = multitrack
        """Further tracks are sent too, with their numbers, for readers that know these."""
        self.video: Track | None = None
        self.audio: Track | None = None
        self.tracks: list[Track] = []
        """What is sent: video before audio, the default track of each first."""
        self.metadata_names: tuple[str, ...] = ("onMetaData",)
        """What stands before the properties in script data."""
        self._heads: dict[int, Heads] = {}

    @abstractmethod
    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        """The bytes of a tag whose body is ``head`` and ``data``; ``timestamp`` has 32 bits."""

    def lead(self, kind: TagType, timestamp: int, head: bytes, size: int) -> bytes | None:
        """What stands before ``size`` bytes of data in a tag that ends with them.

        None = the tag is not of this form, and its bytes have to be made by :meth:`tag`.
        """
        return None

    def use(self, init: Init) -> None:
        """Take the tracks of an epoch; those that FLV can't carry are left out."""
        most = MAX_TRACKS if self.multitrack else 1
        tracks = [track for track in init.tracks if track.codec in CODECS]
        video = [track for track in tracks if track.media is Media.VIDEO][:most]
        audio = [track for track in tracks if track.media is Media.AUDIO][:most]
        self.tracks = video + audio
        self.video = video[0] if video else None
        self.audio = audio[0] if audio else None
        self._heads = {
            track.id: heads(track, number)
            for medium in (video, audio)
            for number, track in enumerate(medium)
        }

    def carries(self, track: int) -> bool:
        """Whether access units of that track are sent."""
        return track in self._heads

    def headers(self, time: int) -> bytes:
        """Metadata and sequence headers, as they must stand before media of that time.

        Metadata is always of time 0: FFmpeg, and VLC with it, takes script data of any other
        time for the first sample of a subtitle track, and waits for more.
        """
        timestamp = self.timestamp(time)
        values = amf0.EcmaArray(build_metadata(self.tracks))
        parts = [self.tag(TagType.SCRIPT, 0, b"", amf0.encode(*self.metadata_names, values))]
        for track in self.tracks:
            start = self._heads[track.id].start
            if start:
                kind = TagType.VIDEO if track.media is Media.VIDEO else TagType.AUDIO
                parts.append(self.tag(kind, timestamp, b"", start))
        return b"".join(parts)

    def message(self, packet: Packet) -> bytes:
        """The tag of one access unit; empty for tracks that are left out."""
        return b"".join(self.parts(packet))

    def parts(self, packet: Packet) -> tuple[bytes, bytes]:
        """The tag of one access unit in two parts; the second may be the packet's data itself."""
        heads = self._heads.get(packet.track)
        if heads is None:
            return b"", b""
        data = packet.data
        kind = packet.kind
        if kind is SOUND:
            tag_type, timestamp, head = AUDIO, ticks_to_ms(packet.pts - self.base), heads.key
        else:
            tag_type = VIDEO
            shown = ticks_to_ms(packet.pts - self.base)
            timestamp = ticks_to_ms(packet.dts - self.base) if heads.composed else shown
            head = heads.head(kind is KEY, shown - timestamp)
        timestamp = timestamp & 0xFFFFFFFF if timestamp > 0 else 0
        lead = self.lead(tag_type, timestamp, head, len(data))
        if lead is None:
            return b"", self.tag(tag_type, timestamp, head, data)
        return lead, data

    def timestamp(self, time: int) -> int:
        """The timestamp of a tag for a media time."""
        return wrap(ticks_to_ms(time - self.base))


def wrap(timestamp: int) -> int:
    """A timestamp as it stands on the wire; what lies before the base stands at it."""
    return timestamp & 0xFFFFFFFF if timestamp > 0 else 0
