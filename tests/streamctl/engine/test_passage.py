from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.timeline import ORIGIN
from streamctl.media.mpegts.restamp import move_stamp, payload_start, read_stamps
from streamctl.media.packet import TIMESCALE, Codec, Format, Kind
from tests.streamctl.engine.test_handover import sounds
from tests.streamctl.engine.ts_world import (
    PLAIN,
    Keeper,
    World,
    again,
    clocks,
    poor_end,
    recount,
    start,
    versioned,
)
from tests.streamctl.media.mpegts.world import program_maps
from tests.support.broadcast import Capture, broadcast, variants
from tests.support.judge import judge
from tests.support.ts import inspect
from tests.support.ts_build import WRAP
from tests.support.ts_compare import compare
from tests.support.ts_damage import (
    packets,
    pid_of,
    scrambled,
)

if TYPE_CHECKING:
    from tests.support.media import MediaCache

CAPTURES = variants(2.5)


def test_chunks_begin_at_pictures_and_say_where_to_join(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, again(media).data)
    raps = [chunk for chunk in keeper.chunks if chunk.rap]
    assert [b.start - a.start for a, b in pairwise(raps)] == [TIMESCALE] * (len(raps) - 1)
    assert all(chunk.flush for chunk in raps)
    for chunk in raps:
        assert inspect(chunk.join).continuity_errors == []
        assert [pid_of(packet) for packet in packets(chunk.data)][:2] == [0, 0x1000]
    pictures = [chunk for chunk in keeper.chunks if chunk.flush]
    assert {chunk.end - chunk.start for chunk in pictures[1:]} == {3600}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_who_joins_at_any_point_sees_no_counter_jump_and_every_picture(
    media: MediaCache, number: int
) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, broadcast(media, CAPTURES["everything"]).data)
    raps = [place for place, chunk in enumerate(keeper.chunks) if chunk.rap]
    rest = keeper.chunks[raps[number] :]
    data = rest[0].join + b"".join(chunk.data for chunk in rest)
    assert inspect(data).continuity_errors == []
    found = judge(data)
    assert found.starts_with_key
    assert found.decode_errors == []


def test_a_late_burst_changes_nothing(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media).data
    half = len(data) // 2 // 188 * 188
    world.send(epoch, data[:half])
    world.clock.advance(4.0)
    world.send(epoch, data[half:], kbps=100_000)
    assert epoch.jumps == 0
    assert len(compare(data, keeper.data, [0x111, 0x121]).offsets) == 1


@pytest.mark.parametrize("starts", [True, False])
def test_packets_that_come_twice_are_no_other_units(media: MediaCache, *, starts: bool) -> None:
    data = broadcast(media, CAPTURES["everything"]).data
    once = [one for one in packets(data) if one[3] & 0x10 and (one[1] & 0x40 or not starts)]
    twice = set(once)
    more = b"".join(one * 2 if one in twice else one for one in packets(data))
    results = []
    for each in (data, more):
        world = World()
        epoch, keeper = start(world)
        reader = Keeper()
        world.graph.attach(Format.PACKETS, reader)
        world.send(epoch, each)
        epoch.end()
        assert (epoch.missing, inspect(keeper.data).continuity_errors) == (0, [])
        assert len([chunk for chunk in keeper.chunks if chunk.rap]) == 3
        cues = [track.id for track in world.begun[0].tracks if track.codec is Codec.SCTE35]
        results.append([one for one in reader.packets if one.track not in cues])
    assert [one.data for one in results[1]] == [one.data for one in results[0]]


@pytest.mark.parametrize("leap", [3600 * 90_000, -5 * 90_000, 3 * 90_000])
def test_a_jump_of_the_source_moves_the_whole_program_once(media: MediaCache, leap: int) -> None:
    world = World()
    epoch, keeper = start(world)
    one = again(media, start=WRAP - 4 * TIMESCALE).data
    two = again(media, start=(WRAP - 4 * TIMESCALE + round(2.5 * TIMESCALE) + leap) % WRAP).data
    world.send(epoch, recount(one + two))
    assert epoch.jumps == 1
    found = judge(keeper.data)
    # The sound of one film begins before that of the other has ended.
    assert found.dts_disorder <= 2
    assert all(abs(gap) < 0.2 for gap in found.video_gaps)
    assert len(keeper.boundaries) == 1
    times = clocks(keeper.data)
    assert all(0 < b - a < 0.3 for a, b in pairwise(times))


@pytest.mark.parametrize("where", [9, 14], ids=["pts", "dts"])
@pytest.mark.parametrize("damage", [1 << 32, 1 << 31, -(1 << 30)])
def test_a_damaged_time_is_gone_with_its_picture(
    media: MediaCache, where: int, damage: int
) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    data = bytearray(again(media).data)
    pictures = [at for at in range(0, len(data), 188) if timed(data, at) == 0x111]
    move_stamp(data, payload_start(data, pictures[30]) + where, damage)
    world.send(epoch, bytes(data))
    epoch.end()
    behind_s = (world.timeline.wall(world.clock.now()) - world.timeline.video_end) / TIMESCALE
    assert abs(behind_s) < 5
    assert all(abs(a.start - b.start) < TIMESCALE for a, b in pairwise(keeper.chunks))
    shown = [one for one in reader.packets if one.kind is not Kind.AUDIO]
    assert all(0 < b.dts - a.dts < TIMESCALE for a, b in pairwise(shown))
    assert all(abs(one.pts - one.dts) < TIMESCALE for one in shown)


def timed(data: bytearray, at: int) -> int:
    """The PID of a packet in which something with two times begins; 0 = nothing does."""
    stamps = read_stamps(data[payload_start(data, at) : at + 188])
    begins = data[at + 1] & 0x40 and stamps is not None and stamps.has_dts
    return pid_of(bytes(data[at : at + 188])) if begins else 0


def test_a_program_map_that_changes_is_followed(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    poor = again(media, languages=("eng",))
    rich = again(media, start=poor_end(poor), languages=("eng", "spa"))
    world.send(epoch, recount(poor.data + versioned(rich)))
    assert len(keeper.boundaries) == 1
    counts = [len(init.tracks) for init in keeper.inits]
    assert (counts[0], counts[-1]) == (2, 3)
    assert [len(init.tracks) for init in reader.inits][-1] == 3
    assert {packet.track for packet in reader.packets} == {0, 1, 2}
    report = inspect(keeper.data)
    assert report.continuity_errors == []
    assert {0x111, 0x121, 0x122} < set(report.pids)
    versions = {one.version for one in program_maps(keeper.data)}
    assert versions == {1, 2}


def test_a_stream_whose_description_changes_goes_on(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    one = again(media, languages=("eng",))
    two = again(media, languages=("eng",), start=poor_end(one), gop=100)
    (program,) = two.programs
    renamed = [replace(each, descriptors=b"\x52\x01\x07") for each in program.components]
    changed = Capture(two.data, (replace(program, components=tuple(renamed)),))
    late = one.data + versioned(changed)[188 * 200 :]
    world.send(epoch, recount(late))
    maps = program_maps(keeper.data)
    assert {one.version for one in maps} == {1, 2}
    assert maps[-1].streams[0].descriptors == b"\x52\x01\x07"
    assert inspect(keeper.data).continuity_errors == []
    sent = [one for one in packets(recount(late)) if pid_of(one) == 0x111]
    came = [one for one in packets(keeper.data) if pid_of(one) == 0x111]
    assert len(came) == len(sent)


def test_the_clock_may_move_to_another_pid(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    one = again(media, languages=("eng",))
    two = broadcast(media, replace(PLAIN, start=poor_end(one), languages=("eng",), own_pcr=True))
    world.send(epoch, recount(one.data + versioned(two)))
    assert {one.pcr_pid for one in program_maps(keeper.data)} == {0x111, 0x101}
    assert judge(keeper.data).decode_errors == []
    times = clocks(keeper.data)
    assert all(b > a for a, b in pairwise(times))


@pytest.mark.parametrize("size", [1316, 997, 400 * 188])
def test_of_a_clock_that_is_filtered_out_its_times_pass_alone(media: MediaCache, size: int) -> None:
    capture = again(media)
    video, sound = capture.names["video"], capture.names["eng"]
    assert capture.programs[0].pcr_pid == video
    world = World()
    epoch, keeper = start(world)
    epoch.select(pids=[sound])
    world.send(epoch, capture.data, size)
    report = inspect(keeper.data)
    assert set(report.pids) == {0, 0x1000, video, sound}
    assert report.continuity_errors == []
    ticks = [packet for packet in packets(keeper.data) if pid_of(packet) == video]
    sent, seen = clocks(capture.data), clocks(keeper.data)
    assert len(sent) - len(seen) < len(sent) / 4
    assert [b - a for a, b in pairwise(seen)] == pytest.approx(
        [b - a for a, b in pairwise(sent[len(sent) - len(seen) :])], abs=2e-5
    )
    assert len(ticks) == len(seen)
    heads = {(packet[:6], packet[12:]) for packet in ticks}
    assert heads == {(bytes((0x47, video >> 8, video & 0xFF, 0x2F, 183, 0x10)), b"\xff" * 176)}
    assert compare(capture.data, keeper.data, [sound]).faults == []
    for place, chunk in enumerate(keeper.chunks):
        rest = b"".join(later.data for later in keeper.chunks[place:])
        assert not chunk.rap or inspect(chunk.join + rest).continuity_errors == []


def test_a_clock_that_is_filtered_out_moves_and_comes_back(media: MediaCache) -> None:
    capture = again(media)
    video, sound = capture.names["video"], capture.names["eng"]
    world = World()
    epoch, keeper = start(world)
    epoch.select(pids=[sound])
    moved = again(media, own_pcr=True, start=poor_end(capture))
    last = again(media, start=poor_end(moved))
    world.send(epoch, recount(capture.data + versioned(moved) + last.data))
    assert inspect(keeper.data).continuity_errors == []
    assert epoch.jumps == 0
    assert all(
        packet[3] & 0xF0 == 0x20 for packet in packets(keeper.data) if pid_of(packet) == video
    )


def test_a_scrambled_program_passes_untouched(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    capture = broadcast(media, CAPTURES["everything"])
    pids = set(capture.programs[0].pids) - {0x133}
    data = scrambled(capture.data, pids)
    world.send(epoch, data)
    assert epoch.on_air
    assert epoch.transport is not None
    assert epoch.transport.sealed
    found = compare(data, keeper.data, capture.programs[0].pids)
    assert found.faults == []
    assert found.offsets == {0}
    assert len([chunk for chunk in keeper.chunks if chunk.rap]) > 1
    assert {packet.kind for packet in reader.packets} == {Kind.DATA}


def test_scrambled_sound_of_a_clear_program_passes_untouched(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    reader = Keeper()
    world.graph.attach(Format.PACKETS, reader)
    capture = again(media, seconds=5.0)
    data = scrambled(capture.data, {0x122})
    world.send(epoch, data, kbps=len(data) * 8 / 5000)
    assert epoch.on_air
    assert epoch.transport is not None
    assert not epoch.transport.sealed
    assert epoch.transport.index.continuity.scrambled.keys() == {0x122}
    found = compare(data, keeper.data, [0x111, 0x121])
    assert found.faults == []
    sent = {payload(one) for one in packets(data) if pid_of(one) == 0x122}
    came = [payload(one) for one in packets(keeper.data) if one[3] & 0xC0]
    assert len(came) > len(sent) // 2
    assert sent.issuperset(came)
    tracks = [track.codec for track in world.begun[0].tracks]
    assert tracks == [Codec.H264, Codec.AAC]
    assert {packet.track for packet in reader.packets} == {0, 1}


def payload(packet: bytes) -> bytes:
    """What is behind the header, with its scrambling bits."""
    return bytes((packet[3] & 0xF0,)) + packet[4:]


def test_scrambling_that_begins_or_ends_begins_an_epoch(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=6.0).data
    third = len(data) // 3 // 188 * 188
    middle = scrambled(data[third : 2 * third], {0x111, 0x121, 0x122})
    world.send(epoch, data[:third] + middle + data[2 * third :])
    assert [one.reason for one in keeper.boundaries] == [
        "test",
        "scrambling began",
        "scrambling ended",
    ]
    assert inspect(keeper.data).continuity_errors == []
    assert judge(keeper.since(1) + keeper.since(3)).decode_errors == []


def test_sound_alone_can_be_joined_twice_a_second(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    world.send(epoch, broadcast(media, CAPTURES["radio"]).data, kbps=300)
    raps = [chunk.start for chunk in keeper.chunks if chunk.rap]
    assert len(raps) >= 4
    assert all(0.5 <= (b - a) / TIMESCALE < 0.6 for a, b in pairwise(raps))
    assert all(chunk.flush for chunk in keeper.chunks if chunk.rap)


def test_an_input_whose_pictures_do_not_come_begins_with_its_sound(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media, seconds=6.0).data
    silent = b"".join(
        packet for packet in packets(data) if pid_of(packet) != 0x111 or not packet[3] & 0x10
    )
    world.send(epoch, silent, kbps=len(silent) * 8 / 6000)
    assert epoch.on_air
    assert {0x121, 0x122} < set(inspect(keeper.data).pids)
    assert not any(chunk.rap for chunk in keeper.chunks)
    assert keeper.chunks[0].start > ORIGIN


def test_other_parameter_sets_in_mid_stream_are_told(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    small = again(media)
    large = broadcast(media, replace(PLAIN, start=poor_end(small), gop=10, bframes=0))
    world.send(epoch, recount(small.data + large.data))
    configs = {init.tracks[0].config for init in keeper.inits}
    assert len(configs) == 2
    assert len(keeper.boundaries) == 1


def test_discontinuity_begins_an_epoch_at_the_next_random_access_point(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = again(media).data
    world.send(epoch, data)
    epoch.discontinuity("another film")
    world.send(epoch, again(media, start=0).data)
    assert [(one.epoch, one.reason) for one in keeper.boundaries] == [
        (1, "test"),
        (2, "another film"),
    ]
    assert epoch.lost < 10
    assert inspect(keeper.data).continuity_errors == []


def test_times_in_two_packets_are_moved_once_though_a_picture_is_waited_for_between_them(
    media: MediaCache,
) -> None:
    one = again(media, languages=("eng",), seconds=1.5)
    two = again(media, languages=("eng",), seconds=1.5, start=poor_end(one) + 3120)
    found = list(packets(one.data))
    starts = [at for at, packet in enumerate(found) if packet[1] & 0x40]
    sound = next(at for at in starts if at > len(found) // 2 and pid_of(found[at]) == 0x121)
    picture = max(at for at in starts if at < sound and pid_of(found[at]) == 0x111)
    head, rest = in_two(found[sound])
    found[sound] = rest
    found.insert(picture, head)
    assert 0x121 not in map(pid_of, found[picture + 1 : sound + 1])
    data = recount(b"".join(found) + versioned(two))
    world = World()
    epoch, keeper = start(world)
    epoch.put_ts(data[: picture * 188], world.clock.now())
    epoch.settle()
    assert epoch.on_air
    epoch.between_pictures(lambda: None)
    epoch.put_ts(data[picture * 188 :], world.clock.now())
    epoch.settle()
    epoch.end()
    times = [frame.pts for frames in sounds(keeper.data).values() for frame in frames]
    assert {after - before for before, after in pairwise(times)} == {1920}


def in_two(packet: bytes) -> tuple[bytes, bytes]:
    """The payload of a packet as two packets, the first of which has a few bytes of it."""
    payload = packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
    few, more = payload[:12], payload[12:]
    head = packet[:3] + bytes((packet[3] | 0x30, 183 - len(few), 0))
    rest = bytes((packet[0], packet[1] & ~0x40, packet[2], packet[3] | 0x30, 183 - len(more), 0))
    return head.ljust(188 - len(few), b"\xff") + few, rest.ljust(188 - len(more), b"\xff") + more
