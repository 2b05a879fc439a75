"""Epochs of MPEG-TS on a fake clock: what they write, and how they are fed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from streamctl.engine.derived import GraphSettings
from streamctl.engine.epoch import Epoch, EpochHost
from streamctl.engine.graph import Graph
from streamctl.engine.lane import Bounds
from streamctl.engine.services import TRUNK
from streamctl.engine.timeline import Timeline
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Flag,
    Format,
    Init,
    InitChange,
    Item,
    Packet,
)
from streamctl.testing.clock import FakeClock
from tests.support.broadcast import Broadcast, Capture, broadcast
from tests.support.ts import CLOCK_HZ
from tests.support.ts_build import pmt
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.media import MediaCache

PLAIN = Broadcast(seconds=2.5, own_pcr=False, private=False, start=TIMESCALE)
"""A capture without a PID for the clock alone."""
DATAGRAM = 1316
ODD = 997
"""Bytes at once, so that no piece begins where a packet does."""


class Keeper:
    """Keeps everything that a lane is given."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def feed(self, items: Sequence[Item]) -> None:
        self.items.extend(items)

    @property
    def chunks(self) -> list[Chunk]:
        return [item for item in self.items if isinstance(item, Chunk)]

    @property
    def packets(self) -> list[Packet]:
        return [item for item in self.items if isinstance(item, Packet)]

    @property
    def boundaries(self) -> list[Boundary]:
        return [item for item in self.items if isinstance(item, Boundary)]

    @property
    def inits(self) -> list[Init]:
        return [item.init for item in self.items if isinstance(item, (Boundary, InitChange))]

    @property
    def data(self) -> bytes:
        return b"".join(chunk.lead + chunk.data for chunk in self.chunks)

    def since(self, epoch: int) -> bytes:
        """The bytes of one epoch."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.epoch == epoch)


def contained(name: str, error: Exception) -> None:
    raise error


@dataclass
class World:
    """A stream's lanes, timeline and clock, without the stream."""

    clock: FakeClock = field(default_factory=FakeClock)
    begun: list[Init] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    epochs: int = 0
    bounds: Bounds = field(default_factory=lambda: Bounds(30.0, 100_000_000))

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.clock.now())
        self.graph = Graph(
            GraphSettings(self.bounds, 0.0, 20.0),
            {TRUNK.target: TRUNK},
            self.clock,
            failed=contained,
            note=self.notes.__setitem__,
        )

    def number(self) -> int:
        self.epochs += 1
        return self.epochs

    def epoch(self, reason: str = "test") -> Epoch:
        host = EpochHost(self.graph, self.timeline, self.clock, self.number, self.begun.append)
        return Epoch(host, reason)

    def send(self, epoch: Epoch, data: bytes, size: int = DATAGRAM, kbps: float = 3000) -> None:
        """Feed it all in pieces of that size, at that rate."""
        for piece in pieces(data, size):
            epoch.put_ts(piece, self.clock.now())
            self.clock.advance(len(piece) * 8 / kbps / 1000)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut into pieces."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


def joined(chunks: Sequence[Chunk]) -> bytes:
    """What a viewer is sent who joins at the first of these."""
    first = chunks[0]
    raps = [at for at, chunk in enumerate(chunks) if chunk.rap]
    group = raps[1] if len(raps) > 1 else len(chunks)
    data = [first.join]
    for at, chunk in enumerate(chunks):
        left_out = at < group and chunk.flags & Flag.LEADING
        data += [chunk.join] if left_out else [chunk.lead, chunk.data]
    return b"".join(data)


def clocks(data: bytes) -> list[float]:
    """The clock references, in seconds."""
    found = []
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        if packet[3] & 0x20 and packet[4] > 6 and packet[5] & 0x10:
            base = int.from_bytes(packet[6:11]) >> 7
            found.append(base * 300 / CLOCK_HZ)
    return found


def start(world: World) -> tuple[Epoch, Keeper]:
    """An epoch on air soon, and what it writes."""
    keeper = Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    return world.epoch(), keeper


def again(media: MediaCache, **changes: Any) -> Capture:
    """A capture without a PID for the clock alone."""
    return broadcast(media, replace(PLAIN, **changes))


def recount(data: bytes) -> bytes:
    """With counters that go on where two captures meet."""
    counters: dict[int, int] = {}
    out = []
    for packet in packets(data):
        pid = pid_of(packet)
        counter = counters.get(pid, packet[3] - 1) + bool(packet[3] & 0x10)
        counters[pid] = counter
        out.append(packet[:3] + bytes((packet[3] & 0xF0 | counter & 15,)) + packet[4:])
    return b"".join(out)


def poor_end(capture: Capture) -> int:
    """Where the clock of a capture ends."""
    return round(clocks(capture.data)[-1] * TIMESCALE) + 3600


def versioned(capture: Capture, version: int = 1) -> bytes:
    """A capture whose program maps are of this version."""
    (program,) = capture.programs
    table = pmt(program, version)
    return b"".join(
        packet[:5] + table.ljust(183, b"\xff") if pid_of(packet) == program.pmt_pid else packet
        for packet in packets(capture.data)
    )
