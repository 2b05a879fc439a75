"""Boxes: what ISO files are made of (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16
MAX_BOXES = 10_000
"""Beside one another; a segment of an hour in fragments of a frame would have fewer."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box is in its bytes."""

    kind: bytes
    begin: int
    """Of its header."""
    start: int
    """Of its payload."""
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two places, one after the other.

    Raises:
        RemoteProtocolError: a box ends outside, or there are too many.
    """
    limit = len(data) if end is None else end
    place = start
    for _ in range(MAX_BOXES):
        if place >= limit:
            return
        box = box_at(data, place, limit)
        yield box
        place = box.end
    raise RemoteProtocolError("too many boxes beside one another")


def box_at(data: bytes, place: int, limit: int) -> Box:
    """The box that begins at a place.

    Raises:
        RemoteProtocolError: it ends behind the limit.
    """
    if place + HEADER_BYTES > limit:
        raise RemoteProtocolError("a box is cut off")
    size = int.from_bytes(data[place : place + 4], "big")
    kind = data[place + 4 : place + HEADER_BYTES]
    start = place + HEADER_BYTES
    if size == 1:
        start = place + LARGE_HEADER_BYTES
        size = int.from_bytes(data[place + HEADER_BYTES : start], "big")
    elif size == 0:
        size = limit - place
    end = place + size
    if end < start or end > limit:
        raise RemoteProtocolError(f"the box `{printable(kind)}` is cut off")
    return Box(kind, place, start, end)


def child(data: bytes, parent: Box, kind: bytes) -> Box | None:
    """The first box of a kind inside another; None if there is none.

    Raises:
        RemoteProtocolError: what is inside is damaged.
    """
    return next((box for box in boxes(data, parent.start, parent.end) if box.kind == kind), None)


def needed(data: bytes, parent: Box, *path: bytes) -> Box:
    """A box inside others that has to be there.

    Raises:
        RemoteProtocolError: it is not.
    """
    for kind in path:
        found = child(data, parent, kind)
        if found is None:
            raise RemoteProtocolError(f"no box `{printable(kind)}` where one has to be")
        parent = found
    return parent


def printable(kind: bytes) -> str:
    """Four characters for a message."""
    return kind.decode("latin-1") if kind.decode("latin-1").isprintable() else kind.hex()


class Fields:
    """Reads the numbers of a box in order."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data = data
        self.place = start
        self.end = end

    @classmethod
    def of(cls, data: bytes, box: Box) -> Fields:
        """The payload of a box."""
        return cls(data, box.start, box.end)

    def number(self, size: int) -> int:
        """An unsigned number of that many bytes.

        Raises:
            RemoteProtocolError: the box ends before.
        """
        begin = self.place
        self.skip(size)
        return int.from_bytes(self.data[begin : self.place], "big")

    def signed(self, size: int) -> int:
        """A signed number of that many bytes.

        Raises:
            RemoteProtocolError: the box ends before.
        """
        value = self.number(size)
        return value - (1 << 8 * size) if value >> (8 * size - 1) else value

    def skip(self, size: int) -> None:
        """Leave bytes out.

        Raises:
            RemoteProtocolError: the box ends before.
        """
        self.place += size
        if self.place > self.end:
            raise RemoteProtocolError("a box ends inside a field")

    def full(self) -> tuple[int, int]:
        """Version and flags of a full box.

        Raises:
            RemoteProtocolError: the box ends before.
        """
        return self.number(1), self.number(3)
