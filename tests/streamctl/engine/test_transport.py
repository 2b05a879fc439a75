from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamctl.engine import transport
from streamctl.engine.backlog import START_WEIGHT, TURN_WEIGHT
from streamctl.engine.epoch import BACKLOG_BYTES, CONFIG_WAIT_S, DATA_WAIT_S, RESTLESS
from streamctl.engine.gather import WAIT_S
from streamctl.engine.handover import EARLY_BYTES
from streamctl.engine.lane import Bounds
from streamctl.engine.passage import UNDECIDED_BYTES
from streamctl.engine.transport import CHANGE_WORK, MAX_WORK
from streamctl.errors import StaleEpoch
from streamctl.media.mpegts.psi import Pat, Pmt, PmtStream
from streamctl.media.packet import TIMESCALE, Boundary, Codec, Flag, Format
from tests.streamctl.engine.ts_world import (
    DATAGRAM,
    ODD,
    Keeper,
    World,
    again,
    joined,
    pieces,
    start,
)
from tests.streamctl.media.mpegts.packets import carried
from tests.streamctl.media.mpegts.packets import packet as one_packet
from tests.support.broadcast import Broadcast, broadcast, variants
from tests.support.judge import judge
from tests.support.ts import inspect
from tests.support.ts_compare import compare
from tests.support.ts_damage import (
    bit_errors,
    lost_packets,
    lost_sync,
    packets,
    pid_of,
    scrambled,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.media import MediaCache

CAPTURES = variants(2.5)
SMALL = Broadcast(seconds=1.5, own_pcr=False)
REAL = Path(os.environ.get("STREAMCTL_TEST_MEDIA", "/nowhere"))


def passed(data: bytes, size: int = DATAGRAM) -> Keeper:
    """What an epoch makes of these bytes."""
    world = World()
    keeper = Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    epoch = world.epoch()
    world.send(epoch, data, size)
    epoch.end()
    return keeper


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("size", [DATAGRAM, ODD, 40 * 188])
def test_every_pid_passes_with_nothing_changed_but_its_times(
    media: MediaCache, name: str, size: int
) -> None:
    capture = broadcast(media, CAPTURES[name])
    keeper = passed(capture.data, size)
    pids = capture.programs[0].pids
    found = compare(capture.data, keeper.data, pids)
    assert found.faults == []
    assert set(found.matched) == set(pids)
    report = inspect(keeper.data)
    assert report.continuity_errors == []
    assert report.worst_psi_s < 0.5
    assert set(report.pids) >= {0, 0x1000, *pids}


def test_it_says_what_the_program_is_before_the_first_packet(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, broadcast(media, CAPTURES["everything"]).data)
    (init,) = world.begun
    assert keeper.items[0] == Boundary(1, init, "test")
    assert [track.codec for track in init.tracks] == [
        Codec.H264,
        Codec.AAC,
        Codec.AAC,
        Codec.TELETEXT,
        Codec.DVBSUB,
        Codec.SCTE35,
        Codec.KLV,
        Codec.ID3,
    ]
    assert [track.id for track in init.tracks] == list(range(8))
    assert init.tracks[0].width == 320
    assert [track.language for track in init.tracks[1:3]] == ["eng", "spa"]
    assert all(track.config for track in init.tracks)


@pytest.mark.parametrize("packets_at_once", [7, 60, 150, 400, 100_000])
def test_counters_go_on_where_leading_pictures_are_left_out(
    media: MediaCache, packets_at_once: int
) -> None:
    data = broadcast(media, CAPTURES["MPEG-2 and MP2"]).data
    # From amid a group of pictures: the first random-access point has pictures that lead it.
    data = data[len(data) // 188 // 4 * 188 :]
    keeper = passed(data, packets_at_once * 188)
    assert any(chunk.flags & Flag.LEADING for chunk in keeper.chunks)
    assert inspect(keeper.data).continuity_errors == []
    for at, chunk in enumerate(keeper.chunks):
        if chunk.rap:
            assert inspect(joined(keeper.chunks[at:])).continuity_errors == []


def test_missing_packets_stay_missing_and_are_counted(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = broadcast(media, CAPTURES["everything"]).data
    damaged = lost_packets(data, part=0.01)
    world.send(epoch, damaged)
    assert epoch.transport is not None
    lost = epoch.transport.index.continuity.lost_packets
    assert lost > 3
    sent, seen = inspect(damaged), inspect(keeper.data)
    tables = {0, 0x100}
    wanted = [error for error in sent.continuity_errors if pid_in(error) not in tables]
    assert len(wanted) - 3 <= len(seen.continuity_errors) <= len(wanted)


def pid_in(error: str) -> int:
    return int(error.partition("PID ")[2].partition(":")[0])


@pytest.mark.parametrize("damage", [bit_errors, lost_packets, lost_sync, truncated])
@pytest.mark.parametrize("size", [DATAGRAM, ODD])
def test_damage_is_passed_on_and_never_raises(
    media: MediaCache, damage: Callable[[bytes], bytes], size: int
) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    world.send(epoch, damage(broadcast(media, CAPTURES["everything"]).data), size)
    assert len(keeper.data) % 188 == 0
    assert len(keeper.data) > 60_000
    assert len(reader.packets) > 40


def test_a_chosen_program_and_chosen_pids_are_all_that_passes(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    epoch.select(program=2, pids=[0x211, 0x222])
    world.send(epoch, broadcast(media, CAPTURES["two programs"]).data)
    assert set(inspect(keeper.data).pids) == {0, 0x1000, 0x201, 0x211, 0x222}
    assert [track.codec for track in world.begun[0].tracks] == [Codec.H264, Codec.AAC]


def test_sound_that_is_announced_and_comes_late_is_a_change_and_no_boundary(
    media: MediaCache,
) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    whole = list(packets(again(media, seconds=6.0).data))
    cut = len(whole) * 3 // 4
    data = b"".join(one for n, one in enumerate(whole) if n > cut or pid_of(one) != 0x122)
    world.send(epoch, data, kbps=len(data) * 8 / 6000)
    assert [len(init.tracks) for init in keeper.inits] == [2, 3]
    assert [len(init.tracks) for init in reader.inits] == [2, 3]
    assert len(keeper.boundaries) == len(reader.boundaries) == 1
    assert 2 in {packet.track for packet in reader.packets}


def test_data_alone_is_not_put_on_air_while_sound_and_pictures_may_come(
    media: MediaCache,
) -> None:
    whole = list(packets(broadcast(media, SMALL).data))
    pictures = broadcast(media, SMALL).names
    shown = {pictures["video"], pictures["eng"], pictures["spa"]}
    data = b"".join(one for one in whole if pid_of(one) not in shown)
    world = World()
    keeper = Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    epoch = world.epoch()
    world.send(epoch, data)
    world.clock.advance(CONFIG_WAIT_S)
    assert not epoch.on_air
    world.send(epoch, b"".join(whole))
    epoch.end()
    assert [len(init.tracks) for init in keeper.inits] == [len(shown) + 5]
    lonely = world.epoch()
    world.send(lonely, data)
    assert lonely.init is None
    world.clock.advance(DATA_WAIT_S)
    assert lonely.init is not None


def test_a_group_of_pictures_that_passes_the_bound_can_not_be_joined(media: MediaCache) -> None:
    world = World(bounds=Bounds(30.0, 30_000))
    epoch, _ = start(world)
    data = again(media, gop=200).data
    lane = world.graph.entry(Format.MPEGTS).lane
    world.send(epoch, data)
    assert lane.bytes <= 30_000
    assert lane.gop_too_long
    assert not lane.joins


def test_what_is_held_before_the_tracks_are_known_is_bounded(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "HELD_BYTES", 50_000)
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=6.0).data
    silent = b"".join(packet for packet in packets(data) if pid_of(packet) != 0x122)
    world.send(epoch, silent, kbps=len(silent) * 8 / 6000)
    assert epoch.on_air
    assert len(world.begun[0].tracks) == 2
    assert inspect(keeper.data).continuity_errors == []
    assert judge(keeper.data).decode_errors == []


@pytest.mark.parametrize("noise", [bytes(2_000_000), b"\x47" * 500_000, b"\x47\0\0\x10" * 90_000])
def test_noise_comes_to_nothing(noise: bytes) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, noise, 9973)
    assert keeper.items == []
    assert not epoch.on_air
    assert epoch.waiting == "no program association table yet"


def test_packets_that_come_without_a_program_are_not_held(media: MediaCache) -> None:
    world = World()
    epoch, _ = start(world)
    epoch.select(program=9)
    world.send(epoch, again(media).data)
    assert epoch.waiting == "program `9` is not among those on air: `1`"


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 1 << 30), st.sampled_from(["bits", "drop", "double", "cut", "swap"])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations=MUTATIONS, size=st.integers(100, 20_000))
def test_whatever_comes_whole_packets_with_rising_times_leave(
    media: MediaCache, mutations: list[tuple[int, str]], size: int
) -> None:
    data = bytearray(broadcast(media, SMALL).data)
    for place, kind in mutations:
        mutate(data, place % len(data), kind)
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    world.send(epoch, bytes(data), size)
    epoch.end()
    assert inspect(keeper.data).sync_errors == 0
    assert len(keeper.data) % 188 == 0
    times: dict[tuple[int, int], int] = {}
    for packet in reader.packets:
        key = packet.epoch, packet.track
        assert packet.dts > times.get(key, -1)
        times[key] = packet.dts


def test_a_picture_that_is_never_finished_holds_nothing_up_for_ever() -> None:
    world = World()
    epoch, _ = start(world)
    tables = carried(0, b"\0" + Pat(1, ((1, 0x1000),)).serialize().ljust(183, b"\xff"))
    streams = (PmtStream(0x1B, 0x100), PmtStream(0x0F, 0x101))
    program_map = b"\0" + Pmt(1, 0x100, streams).serialize()
    tables += carried(0x1000, program_map.ljust(184, b"\xff"))
    stamp = bytes((0x21, 0, 1, 0, 1))
    delimiter_alone = b"\0\0\1\xe0\0\0\x80\x80\5" + stamp + b"\0\0\0\1\x09\xf0"
    epoch.put_ts(tables * 2 + carried(0x100, delimiter_alone), world.clock.now())
    sound = b"".join(one_packet(0x101, number, bytes(184)) for number in range(4000))
    for _ in range(20):
        epoch.put_ts(sound, world.clock.now())
        world.clock.advance(0.5)
    assert epoch.transport is not None
    passage = epoch.transport.passage
    assert passage is not None
    assert len(passage._buffer) <= UNDECIDED_BYTES + len(sound)
    assert passage._early.bytes <= EARLY_BYTES


def test_a_program_that_changes_all_the_time_is_left_out_until_it_rests(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    calm = again(media, seconds=4.0)
    world.send(epoch, calm.data)
    epoch.sample(world.clock.now())
    assert world.notes["input"] == ""
    written = len(keeper.data)
    storm = b"".join(program_map(number, PmtStream(0x0F, 0x200 + number)) for number in range(2000))
    epoch.put_ts(storm, world.clock.now())
    world.clock.advance(0)
    epoch.sample(world.clock.now())
    assert world.notes["input"] == RESTLESS
    assert epoch.lost > 1000
    assert len(world.graph.pids.slots) < TURN_WEIGHT // START_WEIGHT + 10
    world.clock.advance(2.0)
    world.send(epoch, again(media, seconds=4.0, start=50 * TIMESCALE).data)
    epoch.sample(world.clock.now())
    assert world.notes["input"] == ""
    assert len(keeper.data) > 1.5 * written


def test_sound_goes_on_behind_a_picture_that_is_never_finished(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, again(media, seconds=4.0).data)
    delimiter = b"\0\0\1\xe0\0\0\x80\x80\5\x21\0\1\0\1\0\0\0\1\x09\xf0"
    epoch.put_ts(carried(0x111, delimiter), world.clock.now())
    written = len(keeper.data)
    for number in range(100):
        epoch.put_ts(one_packet(0x121, number, bytes(184)), world.clock.now())
        world.clock.advance(0.1)
    assert len(keeper.data) - written > 80 * 188


def test_a_unit_in_each_packet_is_left_out_too() -> None:
    world = World()
    epoch, _ = start(world)
    tables = carried(0, b"\0" + Pat(1, ((1, 0x100),)).serialize().ljust(183, b"\xff"))
    epoch.put_ts(tables + program_map(0, PmtStream(0x1B, 0x111)), world.clock.now())
    head = b"\0\0\1\xe0\0\0\x80\x80\5\x21\0\1\0\1"
    slices = b"\0\0\1\x67\x42\0\0\1\x65\x88\x84\0\x33\xff\xff\xff\xff"
    units = b"".join(carried(0x111, head + slices, number) for number in range(6000))
    epoch.put_ts(units, world.clock.now())
    world.clock.advance(0)
    assert epoch.transport is not None
    assert (
        MAX_WORK - CHANGE_WORK
        <= epoch.transport.index.units
        <= MAX_WORK + TURN_WEIGHT // START_WEIGHT
    )
    assert epoch.lost > 3000


def program_map(number: int, *streams: PmtStream) -> bytes:
    """A packet with another version of the program map."""
    section = Pmt(1, 0x111, streams, version=number % 32).serialize()
    return carried(0x100, b"\0" + section.ljust(183, b"\xff"), counter=number)


def test_scrambling_that_comes_and_goes_all_the_time_piles_nothing_up(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=4.0).data
    world.send(epoch, data)
    for turn in range(100):
        piece = scrambled(data, {0x111, 0x121, 0x122}) if turn % 2 else data
        epoch.put_ts(piece[: len(piece) // 2 // 188 * 188], world.clock.now())
    assert epoch.transport is not None
    passage = epoch.transport.passage
    assert passage is not None
    assert len(passage._buffer) < TURN_WEIGHT * 188
    assert 5 < len(keeper.boundaries) <= 2 * MAX_WORK // CHANGE_WORK


def test_much_at_once_takes_several_turns_and_comes_out_the_same(media: MediaCache) -> None:
    data = again(media, seconds=12.0).data
    cut = len(data) // 3
    first, rest = data[:cut], data[cut:]
    made = []
    for patient in (True, False):
        world = World()
        epoch, keeper = start(world)
        world.send(epoch, first, kbps=600)
        before = len(keeper.data)
        if patient:
            world.send(epoch, rest, kbps=1e9)
        else:
            epoch.put_ts(rest, world.clock.now())
            assert epoch.transport is not None
            assert epoch.transport.waiting_bytes > 0
            assert before < len(keeper.data) < before + TURN_WEIGHT * 188 * 2
        epoch.end()
        assert epoch.lost == 0
        made.append(keeper.data)
    assert made[0] == made[1]


def test_what_waits_for_its_turn_is_not_written_behind_another_epoch(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=6.0).data
    world.send(epoch, data[: len(data) // 3], kbps=600)
    epoch.put_ts(data[len(data) // 3 :], world.clock.now())
    epoch.end()
    written = len(keeper.items)
    world.clock.advance(1)
    assert len(keeper.items) == written
    with pytest.raises(StaleEpoch):
        epoch.put_ts(data, world.clock.now())


def test_what_waits_is_bounded_whatever_is_brought(media: MediaCache) -> None:
    world = World()
    epoch, _ = start(world)
    world.send(epoch, again(media, seconds=4.0).data)
    sound = b"".join(
        carried(0x121, b"\0\0\1\xc0\0\0\x80\x80\5\x21\0\1\0\1" + bytes(170), number)
        for number in range(2000)
    )
    transport = epoch.transport
    assert transport is not None
    most = 0
    for _ in range(12):
        epoch.put_ts(sound, world.clock.now())
        most = max(most, transport.waiting_bytes)
    assert BACKLOG_BYTES // 2 < most <= BACKLOG_BYTES
    epoch.end()
    assert epoch.lost > 0


def test_going_on_air_with_much_that_was_held_takes_several_turns(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=6.0).data
    silent = b"".join(packet for packet in packets(data) if pid_of(packet) != 0x122)
    for piece in pieces(silent, 40_000):
        epoch.put_ts(piece, world.clock.now())
        world.clock.advance(0)
    assert not epoch.on_air
    world.clock.advance(WAIT_S)
    world.clock.monotonic += CONFIG_WAIT_S
    world.clock.advance(0)
    transport = epoch.transport
    assert transport is not None
    assert transport.waiting_bytes == 0
    assert epoch.on_air
    assert inspect(keeper.data).continuity_errors == []
    assert judge(keeper.data).decode_errors == []


def mutate(data: bytearray, place: int, kind: str) -> None:
    """Damage a capture."""
    packet = place // 188 * 188
    match kind:
        case "bits":
            data[place] ^= 1 << place % 8
        case "drop":
            del data[packet : packet + 188]
        case "double":
            data[packet:packet] = data[packet : packet + 188]
        case "cut":
            del data[place : place + 77]
        case _:
            other = place * 7 % len(data) // 188 * 188
            data[packet : packet + 188], data[other : other + 188] = (
                data[other : other + 188],
                data[packet : packet + 188],
            )


@pytest.mark.parametrize(
    "name",
    sorted(path.name for path in REAL.glob("*.ts"))
    or [pytest.param("-", marks=pytest.mark.skip(reason="STREAMCTL_TEST_MEDIA names no folder"))],
)
@pytest.mark.parametrize("size", [DATAGRAM, ODD])
def test_real_captures_pass_with_nothing_changed_but_their_times(name: str, size: int) -> None:
    world = World()
    epoch, keeper = start(world)
    data = (REAL / name).read_bytes()
    world.send(epoch, data, size)
    assert epoch.transport is not None
    program = epoch.transport.index.program
    assert program is not None
    if not epoch.on_air:
        assert "1080i" in name
        return
    assert len(compare(data, keeper.data, program.pids, least=0).offsets) <= 1 + epoch.jumps
    counted = {error.partition(":")[0] for error in inspect(data).continuity_errors}
    assert len(inspect(keeper.data).continuity_errors) <= len(counted) + 1
