"""RTP that leaves as it is played."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import ConnectionFailed
from streamctl.media.packet import Boundary, Codec, Format, Init, Kind, Packet, Track
from streamctl.media.rtp.announced import described
from streamctl.media.rtp.packet import parse
from streamctl.media.rtp.publication import Publication
from streamctl.media.rtp.schedule import GROUP
from streamctl.net.paced_rtp import PacedRtp
from streamctl.testing.clock import FakeClock
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO
from tests.streamctl.media.rtp.packets import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.publication import Datagram

pytestmark = pytest.mark.anyio

INIT = Init(1, 1, (VIDEO, AUDIO))
AV1 = Track(0, Codec.AV1, bytes.fromhex("81010c00") + SEQUENCE)
PICTURES = 8
FRAME = b"\x32\xd0\x0f" + bytes(2000)
"""An OBU of AV1 that has a frame of 2000 bytes."""


def picture(number: int, data: bytes = b"\0\0\0\x04\x41\x9a\0\0") -> Packet:
    kind = Kind.P if number else Kind.KEY
    return Packet(0, number * 3600, number * 3600, kind, 0, data)


def sound(time: int) -> Packet:
    return Packet(1, time, time, Kind.AUDIO, 0, b"\x21\x10\x04abc")


def lane(init: Init = INIT) -> Lane:
    """A stream that begins."""

    def broke(reader: object, error: Exception) -> None:
        raise error

    made = Lane(Format.PACKETS, Bounds(10, 100_000_000), broke)
    made.append([Boundary(1, init, "test")])
    return made


def collected() -> Lane:
    """One of which a part has collected."""
    made = lane()
    made.append([picture(number) for number in range(PICTURES)])
    return made


class Line:
    """Where datagrams go, with the time at which each picture did."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.times: list[float] = []
        self.tracks: list[int] = []
        """Of all packets of media."""
        self.open = anyio.Event()
        self.error: ConnectionFailed | None = None
        self.ended: bool | None = None
        """Whether the stream did; None = it goes on."""

    def send(self, datagrams: Sequence[Datagram]) -> None:
        if self.error is not None:
            raise self.error
        media = [(track, parse(data)) for track, control, data in datagrams if not control]
        self.tracks += [track for track, _ in media]
        self.times += [self.clock.now() for track, data in media if track == 0 and data.marker]

    async def writable(self) -> None:
        await self.open.wait()

    async def take(self, source: Lane, *, patient: bool = False, init: Init = INIT) -> None:
        """Be sent a stream to its end."""
        publication = Publication(described(init), init, 0.0)
        paced = PacedRtp(publication, self.send, self.clock, self.writable if patient else None)
        self.ended = await paced.run(LaneCursor(source, lambda: None))

    async def pass_time(self) -> None:
        """Go on to whatever is due next, until nothing is."""
        await anyio.wait_all_tasks_blocked()
        while self.clock.pending:
            self.clock.advance(max(0.0, self.clock.pending[0][0] - self.clock.now()))
            for _ in range(20):
                await anyio.lowlevel.checkpoint()


async def test_what_has_collected_leaves_as_it_is_played() -> None:
    line, source = Line(), collected()
    source.finish()
    began = line.clock.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.take, source)
        await line.pass_time()
    assert line.ended
    assert len(line.times) == PICTURES
    assert line.times[0] == began
    steps = [after - before for before, after in pairwise(line.times)]
    assert steps == pytest.approx([0.04] * (PICTURES - 1), abs=0.005)


async def test_a_picture_of_av1_leaves_in_one_piece() -> None:
    init = Init(1, 1, (AV1, AUDIO))
    line, source = Line(), lane(init)
    source.append([picture(0, FRAME), sound(0), picture(1, FRAME * 20), sound(3700), sound(5000)])
    source.finish()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: line.take(source, init=init))
        await line.pass_time()
    runs = [(track, len(list(packets))) for track, packets in groupby(line.tracks)]
    assert [track for track, _ in runs] == [0, 1, 0, 1]
    assert runs[2][1] > 3 * GROUP
    assert len(line.times) == 2


async def test_nothing_is_read_while_the_line_is_full() -> None:
    line, source = Line(), collected()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: line.take(source, patient=True))
        await line.pass_time()
        source.append([picture(PICTURES)])
        await line.pass_time()
        assert len(line.times) == 1
        line.open.set()
        await line.pass_time()
        assert len(line.times) == PICTURES + 1
        tasks.cancel_scope.cancel()


async def test_what_the_line_says_ends_it() -> None:
    line = Line()
    line.error = ConnectionFailed("gone")
    with pytest.raises(ConnectionFailed, match="gone"):
        await line.take(collected())


async def test_other_tracks_end_it() -> None:
    line, source = Line(), collected()
    source.append([Boundary(2, Init(2, 2, (AUDIO,)), "another input")])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.take, source)
        await line.pass_time()
    assert line.ended is False
    assert len(line.times) == PICTURES
