"""A cursor that counts what is taken through it, for readers that the fan-out does not serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.packet import Chunk, Packet, Skipped

if TYPE_CHECKING:
    from streamctl.media.packet import Init, Item
    from streamctl.sdk.lane import Cursor


@dataclass(slots=True)
class Counts:
    """What went through."""

    items: int = 0
    """Access units, or chunks of a byte lane."""
    skips: int = 0
    """How often the reader was too slow and was moved forward."""
    skipped_items: int = 0
    skipped_time: int = 0
    """Media time that was lost by skips, 90 kHz."""


class CountedCursor:
    """Implements :class:`streamctl.sdk.lane.Cursor` around another cursor."""

    def __init__(self, cursor: Cursor, counts: Counts) -> None:
        self.cursor = cursor
        self.counts = counts

    def join(self) -> Init:
        """Move to the newest random-access point.

        Raises:
            NotReady: the lane holds none.
        """
        return self.cursor.join()

    def take(self, max_bytes: int = 262_144) -> list[Item]:
        """The next items, at most about ``max_bytes``; ``[]`` at the head."""
        items = self.cursor.take(max_bytes)
        counts = self.counts
        for item in items:
            if isinstance(item, Packet | Chunk):
                counts.items += 1
            elif isinstance(item, Skipped):
                self._count(item)
        return items

    def skip(self) -> Skipped:
        """Move on to the newest random-access point, if it lies ahead; what was lost."""
        skipped = self.cursor.skip()
        if skipped.items:
            self._count(skipped)
        return skipped

    def at_head(self) -> bool:
        """Whether nothing is left to take."""
        return self.cursor.at_head()

    async def wait(self) -> None:
        """Return when there is something to take.

        Raises:
            NotReady: the lane was closed.
        """
        await self.cursor.wait()

    def close(self) -> None:
        """Give the position up."""
        self.cursor.close()

    def _count(self, skipped: Skipped) -> None:
        self.counts.skips += 1
        self.counts.skipped_items += skipped.items
        self.counts.skipped_time += skipped.media_time
