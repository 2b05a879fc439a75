"""From bytes to the tags of an FLV stream (Adobe FLV 10.1, E.2 to E.4.1).

Sans-IO. What tags hold is :mod:`streamctl.media.flv`'s matter. Servers may leave the header out,
and put wrong sizes behind tags: only their own headers are believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media import amf0
from streamctl.media.flv_packer import TagType

SIGNATURE = b"FLV"
FILE_HEADER_BYTES = 9
MAX_FILE_HEADER_BYTES = 65_536
"""``DataOffset`` could be anything; later versions might have a longer header."""
TAG_HEADER_BYTES = 11
SIZE_BYTES = 4
"""``PreviousTagSize`` behind each tag."""
MAX_TAG_BYTES = 1 << 24
"""``DataSize`` has 24 bits: one tag at most is held back."""
FILTERED = 0x20
"""The tag is encrypted or otherwise filtered."""
TYPE_MASK = 0x1F
TYPES = frozenset(TagType)


@dataclass(slots=True)
class Tag:
    """One tag."""

    type: int
    timestamp: int
    """Milliseconds, 32 bits."""
    data: bytes
    head: bytes = b""


class FlvReader:
    """Cuts a stream into tags."""

    def __init__(self) -> None:
        self.skipped = 0
        """Tags of no known type."""
        self._buffer = bytearray()
        self._begun = False
        self._skip = 0
        """Bytes to pass over."""

    def feed(self, data: bytes | memoryview) -> list[Tag]:
        """The tags that are whole by now.

        Raises:
            RemoteProtocolError: this is no FLV, or tags are filtered.
        """
        buffer = self._buffer
        buffer += data
        tags: list[Tag] = []
        place = 0
        if not self._begun:
            if len(buffer) < FILE_HEADER_BYTES:
                return tags
            self._begin(bytes(buffer[:FILE_HEADER_BYTES]))
        while True:
            if self._skip:
                step = min(self._skip, len(buffer) - place)
                self._skip -= step
                place += step
            end = self._end(place)
            if self._skip or end > len(buffer):
                break
            self._take(place, end, tags)
            place = end
            self._skip = SIZE_BYTES
        del buffer[:place]
        return tags

    def _begin(self, head: bytes) -> None:
        """Look at the header, which may not be there.

        Raises:
            RemoteProtocolError: nor is there a tag.
        """
        self._begun = True
        if head.startswith(SIGNATURE):
            size = int.from_bytes(head[5:9], "big")
            if not FILE_HEADER_BYTES <= size <= MAX_FILE_HEADER_BYTES:
                raise RemoteProtocolError(f"an FLV header of {size} bytes")
            self._skip = size + SIZE_BYTES
        elif head[0] & TYPE_MASK not in TYPES or head[0] & ~TYPE_MASK or head[8:9] != b"\0":
            raise RemoteProtocolError("what comes is no FLV")

    def _end(self, place: int) -> int:
        """Where the tag at a place ends; behind the buffer if its header is not there yet."""
        size = int.from_bytes(self._buffer[place + 1 : place + 4], "big")
        return place + TAG_HEADER_BYTES + size

    def _take(self, place: int, end: int, tags: list[Tag]) -> None:
        head = self._buffer[place : place + TAG_HEADER_BYTES]
        kind = head[0]
        if kind & FILTERED:
            raise RemoteProtocolError("the tags are encrypted")
        if kind & ~TYPE_MASK or int.from_bytes(head[8:11], "big"):
            # A stream id or reserved bits: the stream went out of step.
            raise RemoteProtocolError("an FLV tag has a damaged header")
        if kind not in TYPES:
            self.skipped += 1
            return
        timestamp = int.from_bytes(head[4:7], "big") | head[7] << 24
        tags.append(Tag(kind, timestamp, bytes(self._buffer[place + TAG_HEADER_BYTES : end])))


def script(data: bytes) -> tuple[str, list[Any]]:
    """Name and values of script data; an empty name for what can't be read."""
    try:
        values = amf0.decode(data)
    except ProtocolError:
        return "", []
    if values and values[0] == "@setDataFrame":
        del values[0]
    return (values[0], values[1:]) if values and isinstance(values[0], str) else ("", [])
