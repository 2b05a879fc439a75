"""From access units to RTMP messages, chunked and ready for the wire.

The bytes depend on nothing that was sent before (full headers, absolute timestamps, one chunk
size), so players share them. What a message holds is :mod:`streamctl.media.flv_packer`'s matter.
"""

from __future__ import annotations

from streamctl.media.flv_packer import TagPacker, TagType
from streamctl_rtmp.wire.chunk import EXTENDED, media_header, serialize_media
from streamctl_rtmp.wire.connection import OUT_CHUNK_SIZE
from streamctl_rtmp.wire.messages import STREAM_ID, ChunkStream, Message

CHUNK_STREAMS = {
    TagType.SCRIPT: ChunkStream.DATA,
    TagType.VIDEO: ChunkStream.VIDEO,
    TagType.AUDIO: ChunkStream.AUDIO,
}


class Packer(TagPacker):
    """Makes the messages of one epoch's first video and first audio track, or of all its tracks."""

    def __init__(
        self,
        *,
        base: int,
        stream_id: int = STREAM_ID,
        publishing: bool = False,
        multitrack: bool = False,
    ) -> None:
        super().__init__(base=base, multitrack=multitrack)
        self.stream_id = stream_id
        if publishing:
            # Servers ask for it.
            self.metadata_names = ("@setDataFrame", "onMetaData")

    def lead(self, kind: TagType, timestamp: int, head: bytes, size: int) -> bytes | None:
        """The header of a message of one chunk and the head of its body."""
        size += len(head)
        if size > OUT_CHUNK_SIZE or timestamp >= EXTENDED:
            return None
        return media_header(CHUNK_STREAMS[kind], kind, timestamp, size, self.stream_id) + head

    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        """The chunks of one message."""
        message = Message(kind, timestamp, self.stream_id, data, head)
        return serialize_media(CHUNK_STREAMS[kind], message, OUT_CHUNK_SIZE)
