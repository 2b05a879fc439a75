"""Lanes that change their parts when the origin of epochs changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine import derived
from streamctl.engine.derived import DERIVED_S, GRACE_S
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import TIMESCALE, Chunk, Codec, Format, Packet
from streamctl.sdk.plugin import ConverterSpec
from streamctl.sdk.session import Action, Session
from tests.streamctl.engine.ts_world import Keeper, World, again
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


class Wire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def unsent(self) -> int:
        return 0

    def set_send_buffer(self, size: int) -> None:
        pass


def session() -> Session:
    return Session("1", "test", Action.PLAY, "code", "192.0.2.1", 1, "", 0.0, lambda reason: None)


def test_much_of_the_past_is_converted_in_turns_with_the_present_behind_it(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, hurried = World(), World()
    made, begun = [], []
    for world in (calm, hurried):
        if world is hurried:
            monkeypatch.setattr(derived, "PIECE_BYTES", 50_000)
        data = again(media, seconds=6.0).data
        cut = len(data) // 3 // 188 * 188
        epoch = world.epoch("air")
        world.send(epoch, data[: 2 * cut], kbps=1000)
        units = Keeper()
        attachment = world.graph.attach(Format.PACKETS, units)
        begun.append(len(units.packets))
        world.send(epoch, data[2 * cut :], kbps=1e9)
        world.clock.advance(1)
        epoch.end()
        made.append([(unit.track, unit.dts, unit.data) for unit in units.packets])
        attachment.detach()
    assert made[0] == made[1]
    assert begun[0] > 100 > begun[1]


def test_nobody_joins_while_the_past_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "PIECE_BYTES", 50_000)
    world = World()
    epoch = world.epoch("packets")
    epoch.tracks([VIDEO, AUDIO])
    for unit in interleaved(pictures(100), sounds(190)):
        epoch.put([unit], world.clock.now())
    chunks, wire = Keeper(), Wire()
    world.graph.attach(Format.MPEGTS, chunks)
    entry = world.graph.entry(Format.MPEGTS)
    entry.fanout.add(world.graph.cursor(Format.MPEGTS), wire, session())  # type: ignore[arg-type]
    assert chunks.chunks
    assert wire.data == b""
    world.clock.advance(0)
    newest = entry.lane.joins[-1]
    first = entry.lane.items[newest.index - entry.lane.base]
    assert isinstance(first, Chunk)
    assert wire.data.startswith(first.join + first.lead + first.data)


def test_who_begins_behind_a_lane_that_catches_up_finds_it_there(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.graph.specs = {
        **world.graph.specs,
        Format.FLV: ConverterSpec(Format.PACKETS, Format.FLV, frozenset(Codec), TsConverter),
    }
    epoch = world.epoch("air")
    world.send(epoch, again(media, seconds=6.0).data, kbps=1000)
    monkeypatch.setattr(derived, "PIECE_BYTES", 50_000)
    world.graph.attach(Format.PACKETS, Keeper())
    lane = world.graph.packets.lane
    behind = lane.newest
    world.graph.cursor(Format.FLV)
    assert lane.newest > behind
    assert world.graph.base.newest - lane.newest < TIMESCALE // 2
    epoch.end()


@pytest.mark.parametrize("end", ["stop", "finish", "failure", "off air"])
def test_the_past_ends_with_its_lane(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(derived, "PIECE_BYTES", 50_000)
    world = World()
    epoch = world.epoch("air")
    world.send(epoch, again(media, seconds=6.0).data, kbps=1000)
    units = Keeper()
    world.graph.attach(Format.PACKETS, units)
    entry = world.graph.packets
    before = len(units.packets)
    match end:
        case "stop":
            entry.stop()
        case "finish":
            world.graph.finish()
            assert len(units.packets) > before + 50
        case "off air":
            epoch.end()
            world.graph.pause()
            world.clock.advance(0)
            assert len(units.packets) > before + 50
            assert entry.fanout.earliest == entry.lane.head
        case _:
            errors: list[Exception] = []
            monkeypatch.setattr(world.graph, "_failed", lambda name, error: errors.append(error))
            monkeypatch.setattr(entry.converter, "convert", None)
            world.clock.advance(0)
            assert len(errors) == 1
    before = len(units.packets)
    world.clock.advance(0)
    assert len(units.packets) == before
