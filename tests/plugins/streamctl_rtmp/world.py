"""A small world around the plugin: a gate with one stream, its lanes, and wires that remember."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import StaleEpoch, StreamctlError
from streamctl.media.packet import Boundary, Codec, Format, Init, InitChange, Kind, Packet, Track
from streamctl.sdk.endpoints import Playback
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request, Session
from streamctl.testing.clock import FakeClock
from streamctl_rtmp.converter import RtmpConverter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamctl.media.packet import Item
    from streamctl.sdk.context import Clock, Context
    from streamctl.sdk.endpoints import Address, Peer

ASC = bytes.fromhex("1190")
"""AAC-LC, 48 kHz, stereo."""
SPS = bytes.fromhex("6764000cacd941419f9f011000000300100000030320f1429960")
"""High profile, 320x180, 25 frames per second."""
PPS = bytes.fromhex("68ebe3cb22c0")


def avcc(pps: bytes = PPS) -> bytes:
    """A decoder configuration record."""
    return (
        b"\x01"
        + SPS[1:4]
        + b"\xff\xe1"
        + len(SPS).to_bytes(2, "big")
        + SPS
        + b"\x01"
        + len(pps).to_bytes(2, "big")
        + pps
        + b"\xfd\xf8\xf8\x00"
    )


VIDEO = Track(0, Codec.H264, avcc(), width=320, height=180, fps=25.0)
AUDIO = Track(1, Codec.AAC, ASC, sample_rate=48_000, channels=2)
IDR = b"\0\0\0\x05\x65\x88\x84\x00\x21"
"""One length-prefixed slice of an IDR picture."""
SLICE = b"\0\0\0\x05\x41\x9a\x24\x6c\x42"
"""One of a P picture."""


class FakeWire:
    """A wire that keeps what was written and how it was closed."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.data = bytearray()
        self.closed = ""
        self.aborted = ""
        self.least = 1
        self.again = False
        self.full_after: int | None = None
        """The wire calls ``paused`` when it holds more than this."""

    def write(self, data: bytes | memoryview) -> None:
        if self.closed or self.aborted:
            return
        self.data += data
        if self.full_after is not None and len(self.data) > self.full_after:
            self.peer.paused()

    def unsent(self) -> int:
        return 0

    def set_send_buffer(self, size: int) -> None:
        del size

    def call_again(self) -> None:
        self.again = True

    def read_least(self, size: int) -> None:
        self.least = size

    def close(self, reason: str) -> None:
        self.closed = self.closed or reason

    def abort(self, reason: str) -> None:
        self.aborted = self.aborted or reason

    def turns(self) -> int:
        """Let the loop turn until the peer wants no more of it; how often that was."""
        count = 0
        while self.again and not self.aborted:
            self.again = False
            count += 1
            self.peer.received(b"")
        return count

    def taken(self) -> bytes:
        """What was written since the last call."""
        data = bytes(self.data)
        self.data.clear()
        return data


class FakeContext:
    """A context with a clock and a logger."""

    def __init__(self, clock: Clock | None = None, handshake_s: float = 10.0) -> None:
        self.clock = clock or FakeClock()
        self.log = logging.getLogger("streamctl.rtmp")
        self.handshake_s = handshake_s

    @property
    def as_context(self) -> Context:
        """Itself, for parts that use no more of a context than this."""
        return cast("Context", self)


@dataclass
class Writer:
    """An epoch: writes to the world's lanes once every announced track has its config."""

    world: World
    announced: list[list[Track]] = field(default_factory=list)
    batches: list[list[Packet]] = field(default_factory=list)
    stale: bool = False
    open: bool = False
    dropped: int = 0

    @property
    def packets(self) -> list[Packet]:
        """Everything that was put."""
        return [packet for batch in self.batches for packet in batch]

    def tracks(self, tracks: Sequence[Track]) -> None:
        self._check()
        self.announced.append(list(tracks))
        if any(track.config is None for track in tracks):
            return
        init = Init(len(self.announced), self.world.epochs, tuple(tracks))
        change = InitChange(init) if self.open else Boundary(self.world.epochs, init, "published")
        self.open = True
        self.world.append([change])

    def put(self, packets: list[Packet], now: float) -> None:
        del now
        self._check()
        self.batches.append(list(packets))
        if self.open:
            self.world.append(packets)

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        raise AssertionError("RTMP has no MPEG-TS")

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        raise AssertionError("RTMP has no MPEG-TS")

    def drop(self, count: int) -> None:
        self._check()
        self.dropped += count

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)

    def _check(self) -> None:
        if self.stale:
            raise StaleEpoch("another publisher has taken over")


class World:
    """A gate that knows the streams ``news`` and ``region/secure`` (with a key)."""

    def __init__(self, clock: Clock | None = None, *, first_timestamp: int | None = None) -> None:
        self.ctx = FakeContext(clock)
        self.connections: list[str] = []
        self.full: Refusal | None = None
        self.requests: list[Request] = []
        self.sessions: list[Session] = []
        self.ended: list[tuple[Session, str]] = []
        self.writer: Writer | None = None
        self.open_error: StreamctlError | None = None
        self.publish_error: StreamctlError | None = None
        self.formats: list[Format] = []
        """What players were given."""
        self.play_error: StreamctlError | None = None
        self.epochs = 0
        bounds = Bounds(10, 100_000_000)
        self.packets = Lane(Format.PACKETS, bounds, reader_broke)
        self.lane = Lane(Format.RTMP, bounds, reader_broke)
        self.fanout = LaneFanOut(self.lane, self.ctx.clock, merge_s=0.0, slow_viewer_timeout_s=20.0)
        self.lane.add_reader(self.fanout)
        self.converter = (
            RtmpConverter() if first_timestamp is None else RtmpConverter(first_timestamp)
        )

    def append(self, items: Sequence[Item]) -> None:
        """Write to the base lane and what is derived from it."""
        self.packets.append(items)
        self.lane.append(self.converter.convert(items))

    def admit(self, protocol: str, ip: str) -> Refusal | None:
        if self.full is None:
            self.connections.append(ip)
        return self.full

    def release(self, protocol: str, ip: str) -> None:
        self.connections.remove(ip)

    def check(self, request: Request) -> Grant | Refusal:
        self.requests.append(request)
        return self.peek(request)

    def refuse(self, request: Request, refusal: Refusal) -> None:
        raise AssertionError(refusal.message)

    def peek(self, request: Request) -> Grant | Refusal:
        code = request.path.removeprefix("live/")
        if code not in {"news", "region/secure"}:
            return Refusal(RefusalCode.NOT_FOUND, f"no stream `{request.path}`")
        if code == "region/secure" and request.key != "change-me":
            return Refusal(RefusalCode.UNAUTHORIZED, "the key is wrong")
        if request.action is Action.PUBLISH and self.writer is not None:
            return Refusal(RefusalCode.BUSY, "the stream already has a publisher")
        return Grant(code, request)

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        if self.open_error is not None:
            raise self.open_error
        asked = grant.request
        session = Session(
            f"s{len(self.sessions)}",
            "rtmp",
            asked.action,
            grant.code,
            asked.ip,
            asked.port,
            asked.user_agent,
            0.0,
            close,
        )
        self.sessions.append(session)
        return session

    def publish(self, grant: Grant, session: Session) -> Writer:
        if self.publish_error is not None:
            raise self.publish_error
        self.epochs += 1
        self.writer = Writer(self)
        return self.writer

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        self.formats.append(fmt)
        if self.play_error is not None:
            raise self.play_error
        return Playback(self.lane.init, LaneCursor(self.lane, lambda: None), self.fanout)

    def close(self, session: Session, reason: str) -> None:
        if all(ended is not session for ended, _ in self.ended):
            self.ended.append((session, reason))
            if session.action is Action.PUBLISH:
                self.writer = None


def reader_broke(reader: object, error: Exception) -> None:
    raise error


def remote(port: int = 5000) -> Address:
    """The address of a client."""
    return "127.0.0.1", port


def picture(number: int, *, key: bool = False, cts: int = 0, size: int = 0) -> Packet:
    """A picture of 25 per second."""
    data = IDR if key else SLICE
    if size:
        data = (size - 4).to_bytes(4, "big") + data[4:6] + bytes(size - 6)
    dts = number * 3600
    return Packet(0, dts + cts, dts, Kind.KEY if key else Kind.P, 0, data, epoch=1)


def sound(number: int) -> Packet:
    """An AAC frame of 48 kHz."""
    pts = number * 1920
    return Packet(1, pts, pts, Kind.AUDIO, 0, b"\x21\x10\x04" + bytes(3), epoch=1)
