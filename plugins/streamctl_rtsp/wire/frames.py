"""Runs of interleaved frames, as the lane has them: taken apart, and put on other channels.

A run is the bytes of one or more pictures and sounds, whole frames only. What is made of a run is
made once for all who get the same object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD_BYTES = 4
LENGTH_BYTES = 2
HEADS = [b"$%c" % channel for channel in range(256)]

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a packet lies in a run, without the head of its frame."""

    channel: int
    start: int
    end: int


def spans(data: bytes) -> list[Span]:
    """The packets of a run, in their order."""
    found = []
    at, end = 0, len(data)
    while at < end:
        start = at + HEAD_BYTES
        at = start + (data[at + 2] << 8 | data[at + 3])
        found.append(Span(data[start - 3], start, at))
    return found


def frame(channel: int, data: bytes) -> bytes:
    """One packet as a frame."""
    return b"$%c%b" % (channel, len(data).to_bytes(2, "big")) + data


def moved(data: bytes, channels: Mapping[int, int]) -> bytes:
    """A run on other channels; frames of those that are not named are left out."""
    parts: list[bytes] = []
    for span in spans(data):
        channel = channels.get(span.channel)
        if channel is not None:
            parts += (HEADS[channel], data[span.start - LENGTH_BYTES : span.end])
    return b"".join(parts)


class Shared(Generic[Made]):
    """Makes something of a run, once for all who bring the same object one after the other."""

    def __init__(self, make: Callable[[bytes], Made]) -> None:
        self._make = make
        self._data: bytes | None = None
        self._made: Made | None = None

    def of(self, data: bytes) -> Made:
        """What is made of ``data``."""
        if data is not self._data:
            self._made = self._make(data)
            self._data = data
        assert self._made is not None
        return self._made
