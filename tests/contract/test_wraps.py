"""Days of a stream: the counters of inputs and outputs begin anew, and nothing else happens."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.timeline import ORIGIN
from streamctl.media.packet import TIMESCALE, Chunk, Format, Media
from tests.streamctl.engine.test_extract import publish
from tests.streamctl.engine.ts_world import PLAIN, Keeper, World, again, recount
from tests.support.broadcast import broadcast
from tests.support.judge import judge
from tests.support.ts import inspect
from tests.support.ts_build import WRAP

if TYPE_CHECKING:
    from streamctl.media.packet import Packet
    from tests.support.media import MediaCache

HALF_DAY_S = 12 * 3600
WRAP_S = WRAP / TIMESCALE


def test_a_source_goes_on_through_one_wrap_after_another(media: MediaCache) -> None:
    world, keeper, reader = World(), Keeper(), Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    world.graph.attach(Format.PACKETS, reader)
    starts = [number * HALF_DAY_S * TIMESCALE % WRAP for number in range(6)]
    parts = [broadcast(media, replace(PLAIN, seconds=1.0, start=at)).data for at in starts]
    data, epoch = recount(b"".join(parts)), world.epoch()
    for number, part in enumerate(parts):
        world.clock.advance(number * HALF_DAY_S - world.clock.now() + world.timeline.started)
        world.send(epoch, data[: len(part)])
        data = data[len(part) :]
    assert (epoch.jumps, epoch.missing, len(keeper.boundaries)) == (0, 0, 1)
    begun = [chunk.start for chunk in keeper.chunks if chunk.flush]
    leaps = [
        round((b - a) / TIMESCALE / HALF_DAY_S) for a, b in pairwise(begun) if b - a > WRAP / 9
    ]
    assert leaps == [1] * 5
    for track in world.begun[0].tracks:
        times = [one.dts for one in reader.packets if one.track == track.id]
        if track.media is not Media.DATA:
            assert all(b > a for a, b in pairwise(times))
            length_s = (times[-1] - times[0]) / TIMESCALE
            assert length_s == pytest.approx(5 * HALF_DAY_S, abs=1.5)


@pytest.mark.parametrize("wrap_s", [1.0, 2.4, 2.6, 4.0, 6.5])
def test_takeovers_beside_a_wrap_are_like_others(media: MediaCache, wrap_s: float) -> None:
    """The same four inputs, of either origin, where nothing wraps and where all counters do."""
    plain, wrapped = World(), World()
    wrapped.clock.advance(WRAP_S - ORIGIN / TIMESCALE - wrap_s)
    found = [takeovers(world, media) for world in (plain, wrapped)]
    (chunks, packets), (chunks_late, packets_late) = found
    assert relative(chunks) == relative(chunks_late)
    assert [one.data for one in packets] == [one.data for one in packets_late]
    first, late = packets[0].dts, packets_late[0].dts
    assert [(one.track, one.pts - first, one.dts - first) for one in packets] == [
        (one.track, one.pts - late, one.dts - late) for one in packets_late
    ]
    assert chunks_late[0].start < WRAP < chunks_late[-1].start
    data = b"".join(chunk.lead + chunk.data for chunk in chunks_late)
    assert inspect(data).continuity_errors == []
    shown = judge(data)
    assert (shown.decode_errors, shown.dts_disorder, shown.missing) == ([], 0, 0)


def takeovers(world: World, media: MediaCache) -> tuple[list[Chunk], list[Packet]]:
    """What viewers of both trunk lanes get of inputs that wrap when they like."""
    keeper, reader = Keeper(), Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    world.graph.attach(Format.PACKETS, reader)
    for start in (WRAP - TIMESCALE, 5 * TIMESCALE):
        epoch = world.epoch()
        world.send(epoch, again(media, start=start).data)
        epoch.end()
    publish(world, media)
    epoch = world.epoch()
    world.send(epoch, again(media, start=WRAP - 2 * TIMESCALE).data)
    epoch.end()
    return keeper.chunks, reader.packets


def relative(chunks: list[Chunk]) -> list[tuple[int, int, bool, int, int]]:
    """Their times from the first one on, and what does not depend on the time."""
    first = chunks[0].start
    return [
        (one.start - first, one.end - first, one.rap, one.flags, len(one.data)) for one in chunks
    ]
