"""From access units to FLV tags on the wire (Adobe FLV 10.1, E.2 to E.4.1).

Each tag brings the size of itself behind it (``PreviousTagSize`` of the next one), so that a run of
tags can follow any other.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from streamctl.errors import LocalProtocolError
from streamctl.media.flv_converter import BASE_LEAD, TagConverter
from streamctl.media.flv_packer import TagPacker, TagType

if TYPE_CHECKING:
    from streamctl.media.packet import Init

TAG_HEADER_BYTES = 11
TAG_SIZE = struct.Struct(">I")
MAX_BODY_BYTES = 0xFFFFFF
"""``DataSize`` has 24 bits."""
HAS_VIDEO, HAS_AUDIO = 1, 4
"""``TypeFlags`` of the header."""
FILE_HEADER = struct.Struct(">3sBBII")
LAST_TIMESTAMP = (2**31 - 600_000) * 90
"""Timestamps are signed 32-bit milliseconds: they begin anew ten minutes before they would turn
negative, which leaves time for the longest group of pictures (90 kHz)."""


class FlvPacker(TagPacker):
    """Makes the tags of one epoch's first video and first audio track."""

    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        """One tag and its size.

        Raises:
            LocalProtocolError: the access unit is too large for FLV.
        """
        size = len(head) + len(data)
        if size > MAX_BODY_BYTES:
            raise LocalProtocolError(f"an access unit is too large for FLV: {size} bytes")
        # The upper 8 bits of the timestamp stand behind the lower 24.
        time = (timestamp & 0xFFFFFF) << 8 | timestamp >> 24
        header = (kind << 80 | size << 56 | time << 24).to_bytes(TAG_HEADER_BYTES, "big")
        return b"".join((header, head, data, TAG_SIZE.pack(TAG_HEADER_BYTES + size)))


class FlvConverter(TagConverter):
    """Makes the ``flv`` lane."""

    def __init__(self, first_timestamp: int = BASE_LEAD) -> None:
        super().__init__(
            lambda base: FlvPacker(base=base), first_timestamp, last_timestamp=LAST_TIMESTAMP
        )


def file_header(init: Init) -> bytes:
    """What an FLV file begins with: which media it holds, and the size of no tag."""
    packer = FlvPacker(base=0)
    packer.use(init)
    flags = (HAS_VIDEO if packer.video else 0) | (HAS_AUDIO if packer.audio else 0)
    return FILE_HEADER.pack(b"FLV", 1, flags, 9, 0)
