from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.media.packet import Codec
from tests.streamctl.engine.test_intake import NULL_PACKET, TransportStage, keep_ts
from tests.streamctl.engine.ts_world import (
    World,
    again,
    pieces,
    poor_end,
    start,
    versioned,
)
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from tests.support.media import MediaCache


def with_tables_once(media: MediaCache) -> bytes:
    """A capture whose tables come no second time, and not at its very beginning."""
    capture = again(media, seconds=1.5)
    tables = {0, 0x11, *(program.pmt_pid for program in capture.programs)}
    seen = set()
    out = [NULL_PACKET] * 10
    for packet in packets(capture.data):
        pid = pid_of(packet)
        if pid not in tables or pid not in seen:
            seen.add(pid)
            out.append(packet)
    return b"".join(out)


@pytest.mark.parametrize("packets_at_once", [1, 1000])
def test_tables_that_come_once_are_enough_however_they_come(
    media: MediaCache, packets_at_once: int
) -> None:
    world = World()
    epoch, keeper = start(world)
    for piece in pieces(with_tables_once(media), packets_at_once * 188):
        epoch.put_ts(piece, world.clock.now())
        epoch.settle()
    assert epoch.on_air
    assert len(keeper.inits[0].tracks) == 3


def test_tables_that_come_once_are_enough_for_what_is_held(media: MediaCache) -> None:
    stage = TransportStage()
    keeper = keep_ts(stage)
    one = stage.intake()
    for piece in pieces(with_tables_once(media), 188):
        one.put_ts(piece, stage.clock.now())
    assert one.ready
    one.go_live("now")
    assert keeper.chunks


def test_a_stream_that_comes_back_into_the_map_is_known_again(media: MediaCache) -> None:
    first = again(media, languages=("eng",))
    mute = again(media, languages=(), start=poor_end(first))
    back = again(media, languages=("eng",), start=poor_end(mute))
    world = World()
    epoch, _ = start(world)
    known = []
    for data in (first.data, versioned(mute), versioned(back, 2)):
        world.send(epoch, data)
        known.append([track.codec for track in epoch.configured()])
    assert known == [[Codec.H264, Codec.AAC], [Codec.H264], [Codec.H264, Codec.AAC]]
