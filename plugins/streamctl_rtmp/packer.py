"""From access units to RTMP messages, chunked and ready for the wire.

The bytes depend on nothing that was sent before (full headers, absolute timestamps, one chunk
size), so players share them. Milliseconds are rounded from 90 kHz absolutely, never summed, and
the composition offset is the difference of two rounded values, so that no error adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media import amf0, flv
from streamctl.media.packet import Codec, Init, Kind, Media, Packet
from streamctl.media.timestamps import ticks_to_ms
from streamctl_rtmp.wire.chunk import serialize, serialize_media
from streamctl_rtmp.wire.connection import OUT_CHUNK_SIZE
from streamctl_rtmp.wire.messages import STREAM_ID, ChunkStream, Message, MessageType

if TYPE_CHECKING:
    from streamctl.media.packet import Track

CODECS = frozenset({Codec.H264, Codec.AAC})
"""What this form of RTMP carries."""


class Packer:
    """Makes the messages of one epoch's first video and first audio track."""

    def __init__(self, *, base: int, stream_id: int = STREAM_ID, publishing: bool = False) -> None:
        self.base = base
        """Media time that becomes 0 ms, 90 kHz; may be set anew between messages."""
        self.video: Track | None = None
        self.audio: Track | None = None
        self.stream_id = stream_id
        self.publishing = publishing
        """Metadata is meant for a server, which asks for ``@setDataFrame``."""

    def use(self, init: Init) -> None:
        """Take the tracks of an epoch; those that RTMP can't carry are left out."""
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
        name = ("@setDataFrame", "onMetaData") if self.publishing else ("onMetaData",)
        values = amf0.EcmaArray(flv.build_metadata(tracks))
        body = amf0.encode(*name, values)
        parts = [self._message(ChunkStream.DATA, MessageType.DATA_AMF0, 0, body)]
        if video is not None and video.config:
            body = flv.AVC_CONFIG + video.config
            parts.append(self._message(ChunkStream.VIDEO, MessageType.VIDEO, timestamp, body))
        if audio is not None and audio.config:
            body = flv.AAC_CONFIG + audio.config
            parts.append(self._message(ChunkStream.AUDIO, MessageType.AUDIO, timestamp, body))
        return b"".join(parts)

    def message(self, packet: Packet) -> bytes:
        """The message of one access unit; empty for tracks that are left out."""
        number = packet.track
        if self.video is not None and number == self.video.id:
            timestamp = ticks_to_ms(packet.dts - self.base)
            cts = ticks_to_ms(packet.pts - self.base) - timestamp
            head = flv.video_header(packet.kind is Kind.KEY, cts)
            message = Message(MessageType.VIDEO, wrap(timestamp), self.stream_id, packet.data, head)
            return serialize_media(ChunkStream.VIDEO, message, OUT_CHUNK_SIZE)
        if self.audio is not None and number == self.audio.id:
            timestamp = self.timestamp(packet.pts)
            message = Message(
                MessageType.AUDIO, timestamp, self.stream_id, packet.data, flv.AAC_FRAME
            )
            return serialize_media(ChunkStream.AUDIO, message, OUT_CHUNK_SIZE)
        return b""

    def timestamp(self, time: int) -> int:
        """The timestamp of a message for a media time."""
        return wrap(ticks_to_ms(time - self.base))

    def _message(self, csid: int, kind: MessageType, timestamp: int, body: bytes) -> bytes:
        return serialize(csid, Message(kind, timestamp, self.stream_id, body), OUT_CHUNK_SIZE)


def wrap(timestamp: int) -> int:
    """A timestamp as it stands on the wire; what lies before the base stands at it."""
    return timestamp & 0xFFFFFFFF if timestamp > 0 else 0
