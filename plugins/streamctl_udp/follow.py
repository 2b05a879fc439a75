"""From the items of the ``mpegts`` lane to the bytes that one destination gets of them.

There is nobody to answer at the other end, so the first bytes are those of a random-access point
that is new, not of one that would leave the destination behind for as long as it lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Chunk, Flag, Skipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Item

LEADING = int(Flag.LEADING)
FRESH = TIMESCALE
"""A random-access point this old is not begun with."""


class Follower:
    """Follows a lane from a random-access point on."""

    def __init__(self) -> None:
        self._landed = True
        """The next random-access chunk must be led by its ``join`` bytes."""
        self._alone = False
        """What leads that chunk can't be decoded."""

    def begin(self, items: Sequence[Item]) -> list[bytes]:
        """The bytes of what the lane held at first: none if it is history."""
        chunks = [item for item in items if isinstance(item, Chunk)]
        if chunks and chunks[-1].end - chunks[0].start > FRESH:
            return []
        return self.take(items)

    def take(self, items: Sequence[Item]) -> list[bytes]:
        """The bytes of these items."""
        parts: list[bytes] = []
        for item in items:
            if type(item) is Chunk:
                if item.rap:
                    parts += self._enter(item)
                elif self._landed:
                    continue
                elif self._alone and item.flags & LEADING:
                    parts.append(item.join)
                else:
                    parts += (item.lead, item.data)
            elif isinstance(item, Skipped):
                self._landed = True
        return [part for part in parts if part]

    def _enter(self, chunk: Chunk) -> tuple[bytes, ...]:
        self._alone, self._landed = self._landed, False
        return (chunk.join if self._alone else b"", chunk.lead, chunk.data)
