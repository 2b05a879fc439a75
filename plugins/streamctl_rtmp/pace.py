"""How much of a publisher's stream is worth a read.

A publisher sends picture and sound in turns, message by message, and a read costs the same
whatever it brings. Sound can wait for the next picture, as it does on the way to viewers; a
picture must never wait. So the kernel is asked to hold back what is certainly no picture, and,
when a read has cut one apart, to speak up when the rest is there. How long it may hold anything
back is the connection's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl_rtmp.wire.messages import Message, MessageType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl_rtmp.wire.chunk import ChunkParser
    from streamctl_rtmp.wire.events import Event

VIDEO = MessageType.VIDEO.value
PICTURES = 60
"""Pictures whose sizes decide about those that follow."""
SMALL_BYTES = 1024
"""Where pictures are smaller than this, hardly larger than sound, nothing is held back."""
UNKNOWN = 1 << 62
"""Larger than any picture."""


class ReadPace:
    """Decides after each read of a publisher what the next one should bring at least."""

    def __init__(self) -> None:
        self.least = 1
        """Half of the smallest of the last pictures; 1 = hold nothing back."""
        self._smallest = UNKNOWN
        self._pictures = 0

    def after(self, events: Sequence[Event], parser: ChunkParser) -> int:
        """The least number of bytes that are worth a read, after one that brought ``events``."""
        for event in events:
            if type(event) is Message and event.type == VIDEO:
                self._note(len(event.data))
        if parser.partial or parser.rest:
            return parser.missing() or 1
        return self.least

    def _note(self, size: int) -> None:
        if size < self._smallest:
            self._smallest = size
            if size < self.least:
                self.least = 1
        self._pictures += 1
        if self._pictures == PICTURES:
            self.least = self._smallest // 2 if self._smallest > SMALL_BYTES else 1
            self._smallest, self._pictures = UNKNOWN, 0
