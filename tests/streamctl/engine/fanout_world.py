"""A byte lane with its fan-out, and wires that take what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Codec,
    Flag,
    Format,
    Init,
    Track,
)
from streamctl.sdk.session import Action, Session
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.lane import Greeting

FRAME = TIMESCALE // 25
INIT = Init(1, 1, (Track(0, Codec.H264, b"c"),))


class FakeWire:
    """Takes bytes until it is told to be full."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.full = False
        self.on_full: Callable[[], None] = lambda: None
        self.held = 0
        self.buffer = 0

    def write(self, data: bytes | memoryview) -> None:
        assert isinstance(data, bytes)
        self.sent.append(data)
        if self.full:
            self.on_full()

    def unsent(self) -> int:
        return self.held

    def set_send_buffer(self, size: int) -> None:
        self.buffer = size

    def call_again(self) -> None:
        pass

    def read_least(self, size: int) -> None:
        pass

    def close(self, reason: str) -> None:
        raise AssertionError(reason)

    abort = close

    @property
    def bytes(self) -> bytes:
        return b"".join(self.sent)


class Rig:
    """A byte lane with its fan-out and a clock that the test moves."""

    def __init__(self, *, merge_s: float = 0.0, timeout_s: float = 20.0) -> None:
        self.clock = FakeClock()
        self.lane = Lane(Format.RTMP, Bounds(4.0, 50_000_000), lambda reader, error: None)
        self.fanout = LaneFanOut(
            self.lane, self.clock, merge_s=merge_s, slow_viewer_timeout_s=timeout_s
        )
        self.lane.add_reader(self.fanout)
        self.lane.append([Boundary(1, INIT, "start")])
        self.number = 0
        self.closed: list[str] = []

    def viewer(self, greet: Greeting | None = None) -> tuple[FakeWire, Session]:
        wire = FakeWire()
        session = Session(
            f"s{id(wire)}", "rtmp", Action.PLAY, "x", "::1", 1, "", 0.0, self.closed.append
        )
        wire.on_full = lambda: self.fanout.park(session)
        self.fanout.add(LaneCursor(self.lane, lambda: None), wire, session, greet)
        return wire, session

    def video(self, *, gop: int = 25, size: int = 0, flags: int = 0, units: int = 0) -> bytes:
        rap = self.number % gop == 0
        start = self.number * FRAME
        data = (f"K{self.number}," if rap else f"P{self.number},").encode() + bytes(size)
        join = b"J," if rap else b"S," if flags & Flag.LEADING else b""
        lead, data = data[:1], data[1:]
        end = start + FRAME
        self.lane.append([Chunk(data, start, end, rap, True, 1, join, flags, lead, units)])
        self.number += 1
        return data

    def sound(self) -> None:
        start = self.number * FRAME
        self.lane.append([Chunk(b"a,", start, start, rap=False, flush=False, epoch=1)])
