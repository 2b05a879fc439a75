"""Epochs of MPEG-TS on a fake clock: what they write, and how they are fed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.engine.derived import GraphSettings
from streamctl.engine.epoch import Epoch, EpochHost
from streamctl.engine.graph import Graph
from streamctl.engine.lane import Bounds
from streamctl.engine.services import TRUNK
from streamctl.engine.timeline import Timeline
from streamctl.media.packet import Boundary, Chunk, Init, InitChange, Item, Packet
from streamctl.testing.clock import FakeClock
from tests.support.ts import CLOCK_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def clocks(data: bytes) -> list[float]:
    """The clock references, in seconds."""
    found = []
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        if packet[3] & 0x20 and packet[4] > 6 and packet[5] & 0x10:
            base = int.from_bytes(packet[6:11]) >> 7
            found.append(base * 300 / CLOCK_HZ)
    return found
