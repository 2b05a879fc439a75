"""Lanes that change their parts when the origin of epochs changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.derived import DERIVED_S, GRACE_S
from streamctl.media.packet import Chunk, Format, Packet
from tests.streamctl.engine.ts_world import Keeper, World
from tests.streamctl.media.mpegts.world import AUDIO, VIDEO, interleaved, pictures, sounds
from tests.support.broadcast import Broadcast, broadcast

if TYPE_CHECKING:
    from tests.support.media import MediaCache

AIR = Broadcast(seconds=2.5, own_pcr=False, private=False)


def publish(world: World, *, seconds: int = 2) -> None:
    """An epoch of access units."""
    epoch = world.epoch("packets")
    epoch.tracks([VIDEO, AUDIO])
    units = interleaved(pictures(25 * seconds), sounds(47 * seconds))
    for unit in units:
        epoch.put([unit], world.clock.now())
        world.clock.advance(0.01)
    epoch.end()


def air(world: World, media: MediaCache) -> None:
    """An epoch of MPEG-TS."""
    epoch = world.epoch("air")
    world.send(epoch, broadcast(media, AIR).data, kbps=500)
    epoch.end()


def test_the_lane_of_the_origin_holds_history_and_the_other_nothing_unread(
    media: MediaCache,
) -> None:
    world = World()
    packets, transport = world.graph.packets, world.graph.entry(Format.MPEGTS)
    publish(world)
    assert (packets.direct, transport.direct) == (True, False)
    assert packets.lane.items
    air(world, media)
    assert (packets.direct, transport.direct) == (False, True)
    assert world.graph.base is transport.lane
    assert packets.lane.items == []
    assert packets.lane.bounds.seconds == DERIVED_S
    assert transport.lane.bounds.seconds == world.bounds.seconds
    publish(world)
    assert world.graph.base is packets.lane
    assert transport.lane.items == []


def test_who_reads_goes_on_reading_and_gets_nothing_twice(media: MediaCache) -> None:
    world = World()
    units, chunks = Keeper(), Keeper()
    world.graph.attach(Format.PACKETS, units)
    world.graph.attach(Format.MPEGTS, chunks)
    publish(world)
    air(world, media)
    publish(world)
    for keeper, kind in ((units, Packet), (chunks, Chunk)):
        assert [one.epoch for one in keeper.boundaries] == [1, 2, 3]
        epochs = [item.epoch for item in keeper.items if isinstance(item, kind)]
        assert epochs == sorted(epochs)
        assert set(epochs) == {1, 2, 3}
    times = [unit.dts for unit in units.packets if unit.track == 0]
    assert times == sorted(set(times))


def test_who_comes_in_mid_epoch_gets_what_the_other_lane_holds(media: MediaCache) -> None:
    world = World()
    air(world, media)
    units = Keeper()
    attachment = world.graph.attach(Format.PACKETS, units)
    assert units.boundaries[0].init.tracks == world.begun[0].tracks
    assert len([unit for unit in units.packets if unit.track == 0]) >= 50
    attachment.detach()
    assert world.graph.packets.running
    world.clock.advance(GRACE_S + 0.1)
    assert not world.graph.packets.running
    assert world.graph.packets.lane.items == []
    assert world.graph.entry(Format.MPEGTS).users == 0


def test_a_cursor_on_packets_makes_the_converter_work(media: MediaCache) -> None:
    world = World()
    cursor = world.graph.cursor(Format.PACKETS)
    air(world, media)
    assert any(isinstance(item, Packet) for item in cursor.take())
    cursor.close()
    cursor.close()
    world.clock.advance(GRACE_S + 0.1)
    assert not world.graph.packets.running


def test_the_end_hands_out_what_was_held_back(media: MediaCache) -> None:
    world = World()
    units = Keeper()
    world.graph.attach(Format.PACKETS, units)
    air(world, media)
    before = len(units.packets)
    world.graph.finish()
    assert len(units.packets) > before
    assert world.graph.packets.lane.closed


def test_the_tracks_of_a_trunk_lane_at_rest_are_those_of_the_other(media: MediaCache) -> None:
    world = World()
    assert world.graph.init(Format.PACKETS) is None
    publish(world)
    air(world, media)
    assert world.graph.init(Format.PACKETS) == world.begun[-1]
    assert world.graph.init(Format.MPEGTS) == world.begun[-1]


def test_versions_rise_over_both_trunk_lanes(media: MediaCache) -> None:
    world = World()
    publish(world)
    air(world, media)
    publish(world)
    versions = [init.version for init in world.begun]
    assert versions == sorted(set(versions))
