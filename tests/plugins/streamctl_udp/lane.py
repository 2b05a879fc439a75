"""A lane of transport packets as a destination reads it, and a writer that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import StaleEpoch
from streamctl.media.packet import Boundary, Chunk, Codec, Flag, Format, Init, Track
from tests.plugins.streamctl_udp.wire.test_pace import stretch

if TYPE_CHECKING:
    from collections.abc import Collection

HOST = "127.0.0.1"
INIT = Init(1, 1, (Track(0, Codec.H264, b""),))
FRAME = 3600
"""Ticks from picture to picture, 25 a second."""
JOIN = b"\x47join".ljust(188, b"J")


def chunk(number: int, *, rap: bool = False, leading: bool = False) -> Chunk:
    """One picture of ten packets."""
    start = number * FRAME
    join = JOIN if rap or leading else b""
    flags = int(Flag.LEADING) if leading else 0
    data = stretch(number * 0.04)
    return Chunk(data, start, start + FRAME, rap, True, 1, join, flags)


def new_lane(*chunks: Chunk, seconds: float = 10.0) -> Lane:
    lane = Lane(Format.MPEGTS, Bounds(seconds, 1 << 24), lambda _, error: None)
    lane.append([Boundary(1, INIT, "test"), *chunks])
    return lane


def new_cursor(lane: Lane, *, join: bool = True) -> LaneCursor:
    cursor = LaneCursor(lane, lambda: None)
    if join:
        cursor.join()
    return cursor


@dataclass
class Writer:
    """An epoch that keeps the bytes it gets."""

    data: bytearray = field(default_factory=bytearray)
    times: list[float] = field(default_factory=list)
    selected: list[tuple[int | None, tuple[int, ...]]] = field(default_factory=list)
    stale: bool = False

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.selected.append((program, tuple(pids)))

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        if self.stale:
            raise StaleEpoch("the epoch has ended")
        self.data += data
        self.times.append(now)

    def tracks(self, tracks: object) -> None:
        raise AssertionError("no access units here")

    def put(self, packets: object, now: float) -> None:
        raise AssertionError("no access units here")

    def drop(self, count: int) -> None:
        raise AssertionError(count)

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)
