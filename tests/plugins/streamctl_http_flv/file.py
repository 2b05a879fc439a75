"""A reader of FLV that checks every size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlvTag:
    """A tag of a file."""

    kind: int
    timestamp: int
    body: bytes


def tags(data: bytes) -> list[FlvTag]:
    """The tags of a run, each followed by its size."""
    found: list[FlvTag] = []
    at = 0
    while at < len(data):
        kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        timestamp = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        assert data[at + 8 : at + 11] == b"\0\0\0", "the stream id is zero"
        body = data[at + 11 : at + 11 + size]
        at += 11 + size
        assert int.from_bytes(data[at : at + 4], "big") == 11 + size, "the size behind the tag"
        at += 4
        found.append(FlvTag(kind, timestamp, body))
    return found
