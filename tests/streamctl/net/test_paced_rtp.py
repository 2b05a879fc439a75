"""RTP that leaves as it is played."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import ConnectionFailed
from streamctl.media.packet import Boundary, Format, Init, Kind, Packet
from streamctl.media.rtp.announced import described
from streamctl.media.rtp.packet import parse
from streamctl.media.rtp.publication import Publication
from streamctl.net.clock import LoopClock
from streamctl.net.paced_rtp import PacedRtp
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.publication import Datagram

pytestmark = pytest.mark.anyio

INIT = Init(1, 1, (VIDEO, AUDIO))
PICTURES = 8


def picture(number: int) -> Packet:
    kind = Kind.P if number else Kind.KEY
    return Packet(0, number * 3600, number * 3600, kind, 0, b"\0\0\0\x04\x41\x9a\0\0")


def lane() -> Lane:
    """A stream of which a part has collected."""

    def broke(reader: object, error: Exception) -> None:
        raise error

    made = Lane(Format.PACKETS, Bounds(10, 100_000_000), broke)
    made.append([Boundary(1, INIT, "test"), *map(picture, range(PICTURES))])
    return made


class Line:
    """Where datagrams go, with the time at which each picture did."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.open = anyio.Event()
        self.error: ConnectionFailed | None = None

    def send(self, datagrams: Sequence[Datagram]) -> None:
        if self.error is not None:
            raise self.error
        marks = [data for _, control, data in datagrams if not control and parse(data).marker]
        self.times += [anyio.current_time() for _ in marks]

    async def writable(self) -> None:
        await self.open.wait()


def paced(line: Line, *, patient: bool = False) -> PacedRtp:
    publication = Publication(described(INIT), INIT, 0.0)
    return PacedRtp(publication, line.send, LoopClock(), line.writable if patient else None)


async def test_what_has_collected_leaves_as_it_is_played() -> None:
    line, source = Line(), lane()
    source.finish()
    began = anyio.current_time()
    assert await paced(line).run(LaneCursor(source, lambda: None))
    assert len(line.times) == PICTURES
    # A loaded machine may send the first one late, but none before its time.
    assert line.times[-1] - began > 0.95 * 0.04 * (PICTURES - 1) - 0.01
    assert max(after - before for before, after in pairwise(line.times)) < 1


async def test_nothing_is_read_while_the_line_is_full() -> None:
    line, source = Line(), lane()
    cursor = LaneCursor(source, lambda: None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(paced(line, patient=True).run, cursor)
        await anyio.wait_all_tasks_blocked()
        source.append([picture(PICTURES)])
        await anyio.wait_all_tasks_blocked()
        assert not cursor.at_head()
        line.open.set()
        with anyio.fail_after(10):
            while len(line.times) <= PICTURES:
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()


async def test_what_the_line_says_ends_it() -> None:
    line = Line()
    line.error = ConnectionFailed("gone")
    with pytest.raises(ConnectionFailed, match="gone"):
        await paced(line).run(LaneCursor(lane(), lambda: None))


async def test_other_tracks_end_it() -> None:
    line, source = Line(), lane()
    source.append([Boundary(2, Init(2, 2, (AUDIO,)), "another input")])
    assert not await paced(line).run(LaneCursor(source, lambda: None))
    assert len(line.times) == PICTURES
