"""Tags in a form that is easy to read back."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from streamctl.media.flv_packer import TagPacker, TagType

HEAD = struct.Struct(">BII")


@dataclass(frozen=True)
class Plain:
    """A tag as :class:`PlainPacker` was asked for it."""

    kind: TagType
    timestamp: int
    body: bytes


class PlainPacker(TagPacker):
    """Writes type, timestamp, size, and the body."""

    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        return HEAD.pack(kind, timestamp, len(head) + len(data)) + head + data


def read(data: bytes) -> list[Plain]:
    """The tags of a run of bytes."""
    found: list[Plain] = []
    while data:
        kind, timestamp, size = HEAD.unpack_from(data)
        end = HEAD.size + size
        found.append(Plain(TagType(kind), timestamp, data[HEAD.size : end]))
        data = data[end:]
    return found
