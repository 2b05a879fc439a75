"""Epochs of either origin take turns on one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine.extract import TsExtractor, broken_link
from streamctl.media.hevc import HevcConfig
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Flag,
    Format,
    Init,
    InitChange,
    Item,
    Kind,
    Packet,
    Track,
)
from tests.streamctl.engine.ts_world import Keeper, World, pieces, start
from tests.streamctl.media.hevc.sets import PPS, SPS, VPS, slice_of
from tests.streamctl.media.mpegts.world import load
from tests.support.broadcast import Broadcast, broadcast
from tests.support.judge import judge
from tests.support.media import Recipe
from tests.support.ts import inspect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

AIR = Broadcast(seconds=3.0, start=1000)
BACK = Broadcast(seconds=3.0, start=1000, own_pcr=False, languages=("eng",), private=False)


def publish(world: World, media: MediaCache) -> None:
    """An epoch of access units."""
    tracks, packets = load(media(Recipe(seconds=3.0)).path)
    epoch = world.epoch("packets")
    epoch.tracks(tracks)
    for packet in packets:
        epoch.put([packet], world.clock.now())
        world.clock.advance(0.015)
    epoch.end()


def air(world: World, media: MediaCache, wanted: Broadcast = AIR) -> None:
    """An epoch of MPEG-TS."""
    epoch = world.epoch("air")
    world.send(epoch, broadcast(media, wanted).data, kbps=1000)
    epoch.end()


def test_a_lane_of_mpegts_goes_on_through_epochs_of_both_origins(media: MediaCache) -> None:
    world, keeper = World(), Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    air(world, media)
    publish(world, media)
    air(world, media, BACK)
    publish(world, media)
    assert [one.epoch for one in keeper.boundaries] == [1, 2, 3, 4]
    assert len(world.begun) == 4
    report = inspect(keeper.data)
    assert report.continuity_errors == []
    assert set(report.pids) >= {0, 0x1000}
    found = judge(keeper.data)
    assert found.decode_errors == []
    assert found.dts_disorder == 0
    assert len(found.restarts) == 3
    assert found.missing == 0


def test_the_streams_of_each_epoch_take_the_places_of_those_before(media: MediaCache) -> None:
    world, keeper = World(), Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    air(world, media, BACK)
    first = set(inspect(keeper.data).pids)
    air(world, media, BACK)
    publish(world, media)
    assert set(inspect(keeper.data).pids) == first


def test_access_units_of_mpegts_are_taken_apart_while_somebody_reads_them(
    media: MediaCache, tmp_path: Path
) -> None:
    world = World()
    air(world, media, BACK)
    assert world.graph.packets.lane.items == []
    keeper = Keeper()
    world.graph.attach(Format.PACKETS, keeper)
    air(world, media, BACK)
    path = tmp_path / "capture.ts"
    path.write_bytes(broadcast(media, BACK).data)
    tracks, packets = load(path)
    assert keeper.inits[-1].tracks[0] == tracks[0]
    assert [track.config for track in keeper.inits[-1].tracks] == [tracks[0].config, b"\x11\x90"]
    epochs = [[p for p in keeper.packets if p.epoch == epoch] for epoch in (1, 2)]
    for number in (0, 1):
        wanted = [p.data for p in packets if p.track == number]
        for epoch in epochs:
            found = [p.data for p in epoch if p.track == number]
            # Sound begins with a whole PES packet, and the last picture waits for the next.
            missing = len(wanted) - len(found)
            assert missing <= 2 * BACK.frames_per_pes
            assert any(wanted[at : at + len(found)] == found for at in range(missing + 1))


def test_a_lane_of_packets_goes_on_through_epochs_of_both_origins(media: MediaCache) -> None:
    world, keeper = World(), Keeper()
    world.graph.attach(Format.PACKETS, keeper)
    air(world, media)
    publish(world, media)
    air(world, media, BACK)
    publish(world, media)
    assert [one.epoch for one in keeper.boundaries] == [1, 2, 3, 4]
    versions = [init.version for init in keeper.inits]
    assert versions == sorted(set(versions))
    for number in (0, 1):
        times = [p.dts for p in keeper.packets if p.track == number]
        assert times == sorted(set(times))
    for boundary in keeper.boundaries:
        after = keeper.items[keeper.items.index(boundary) + 1 :]
        first = next(p for p in after if isinstance(p, Packet) and p.kind is not Kind.AUDIO)
        assert first.kind in (Kind.KEY, Kind.DATA)


def test_an_open_point_that_begins_loses_what_leads_it_and_later_ones_keep_it() -> None:
    made = open_groups()
    extractor = TsExtractor()
    found = [item for item in extractor.convert(made) if isinstance(item, Packet)]
    found += [item for item in extractor.flush() if isinstance(item, Packet)]
    assert [(unit.pts, unit.kind, unit.flags) for unit in found] == [
        (START + 10800, Kind.KEY, 0),
        (START + 14400, Kind.P, 0),
        (START + 25200, Kind.KEY, Flag.OPEN_GOP),
        (START + 21600, Kind.B, Flag.LEADING),
        (START + 28800, Kind.P, 0),
    ]
    assert found[0].data[4] >> 1 == BLA_N_LP
    assert found[2].data[4] >> 1 == CRA
    assert {unit.epoch for unit in found} == {4}
    assert [unit.dur for unit in found[1:]] == [3600 + 3600, 3600, 3600, 3600]


def test_whoever_comes_first_with_a_broken_picture_gets_it_as_it_is() -> None:
    assert broken_link(b"\0\0\0\x10ab") == b"\0\0\0\x10ab"


def test_chunks_that_no_boundary_announced_are_left() -> None:
    chunks = [item for item in open_groups() if isinstance(item, Chunk)]
    extractor = TsExtractor()
    assert extractor.convert(chunks) == []
    assert extractor.flush() == []


def test_pictures_before_the_first_point_are_left() -> None:
    chunks = [item for item in open_groups() if not (isinstance(item, Chunk) and item.rap)]
    tables = next(c.data[: 2 * 188] for c in open_groups() if isinstance(c, Chunk) and c.rap)
    chunks.insert(1, Chunk(tables, START, START, rap=False, flush=False, epoch=4))
    extractor = TsExtractor()
    assert not any(isinstance(item, Packet) for item in extractor.convert(chunks))


def test_sound_that_comes_behind_the_first_picture_was_known_before() -> None:
    """Of MPEG audio the map does not tell the layer, which the epoch has seen in a frame."""
    sound = Track(1, Codec.MP3, b"", sample_rate=48_000, channels=2)
    found = TsExtractor().convert(open_groups((HEVC, sound)))
    assert [item.init.tracks for item in found if isinstance(item, Boundary)] == [(HEVC, sound)]
    changes = [item.init.tracks for item in found if isinstance(item, InitChange)]
    assert all(sound in tracks for tracks in changes)


HEVC = Track(0, Codec.HEVC, HevcConfig.from_parameter_sets([VPS], [SPS], [PPS]).serialize())
START = 900_000
CRA, BLA_N_LP, RASL, TRAIL = 21, 18, 8, 1


def open_groups(tracks: tuple[Track, ...] = (HEVC,)) -> list[Item]:
    """A lane of two groups of pictures whose points are open."""
    units = [
        (CRA, 10800),
        (RASL, 7200),
        (TRAIL, 14400),
        (CRA, 25200),
        (RASL, 21600),
        (TRAIL, 28800),
    ]
    kinds = {CRA: (Kind.KEY, Flag.OPEN_GOP), RASL: (Kind.B, Flag.LEADING), TRAIL: (Kind.P, 0)}
    packets = []
    for number, (unit, pts) in enumerate(units):
        kind, flags = kinds[unit]
        data = join_length_prefixed([slice_of(unit) + bytes((number,)) * 60])
        dts = START + number * 3600
        packets.append(Packet(0, START + pts, dts, kind, flags, data, 3600, 4))
    boundary = Boundary(4, Init(1, 4, tracks), "test")
    return TsConverter().convert([boundary, *packets])


def taken_out(data: bytes, packets_at_once: int) -> list[Packet]:
    """The access units of an epoch that takes so many packets at once."""
    world = World()
    epoch, _ = start(world)
    keeper = Keeper()
    world.graph.attach(Format.PACKETS, keeper)
    for piece in pieces(data, packets_at_once * 188):
        epoch.put_ts(piece, world.clock.now())
        epoch.settle()
    epoch.end()
    return keeper.packets


@pytest.mark.parametrize("packets_at_once", [1, 60, 1_000_000])
def test_the_same_units_are_taken_out_however_many_packets_come_at_once(
    media: MediaCache, packets_at_once: int
) -> None:
    data = broadcast(media, AIR).data
    assert taken_out(data, packets_at_once) == taken_out(data, 7)
