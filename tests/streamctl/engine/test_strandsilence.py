from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.silence import PROMISED_S
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.continuity import Continuity
from streamctl.media.mpegts.pidmap import PMT_PID
from streamctl.media.packet import TIMESCALE, Codec, Media
from streamctl.media.silence import silent_unit
from tests.streamctl.engine.test_handover import sounds
from tests.streamctl.engine.test_intake import TransportStage, keep_ts
from tests.streamctl.engine.ts_world import joined, pieces, poor_end, recount, versioned
from tests.streamctl.media.mpegts.world import program_maps
from tests.support.broadcast import Broadcast, broadcast
from tests.support.ts import inspect
from tests.support.ts_build import crc32
from tests.support.ts_damage import packets, pid_of, scrambled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.engine.intake import Intake
    from streamctl.media.packet import Packet
    from tests.support.media import MediaCache

PLAIN = Broadcast(
    seconds=8,
    private=False,
    own_pcr=False,
    start=TIMESCALE,
    languages=("eng",),
    sound_late_s=0.2,
    frames_per_pes=8,
)


MAP_TABLE = 2
TABLES = {0, 0x11, PMT_PID}


class RealTime(TransportStage):
    """Sends by the clock inside."""

    def play(self, one: Intake, data: bytes, seconds: float) -> None:
        """Send all of it, evenly."""
        size = len(data)
        for piece in pieces(data, 1316):
            one.put_ts(piece, self.clock.now())
            self.clock.advance(seconds * len(piece) / size)


def without(data: bytes, pid: int, start: float, end: float) -> bytes:
    """A capture whose packets of one PID stay away for a part of it."""
    found = list(packets(data))
    span = range(round(start * len(found)), round(end * len(found)))
    return b"".join(one for at, one in enumerate(found) if pid_of(one) != pid or at not in span)


def moved_pid(data: bytes, pid: int, other: int) -> bytes:
    """A capture in which a stream has another PID."""
    found = list(packets(data))
    was, now = ((0xE000 | one).to_bytes(2) for one in (pid, other))
    for at, packet in enumerate(found):
        if pid_of(packet) == pid:
            head = bytes((packet[1] & 0xE0 | other >> 8, other & 0xFF))
            found[at] = packet[:1] + head + packet[3:]
        elif packet[5] == MAP_TABLE and packet[1] & 0x40:
            end = 8 + (int.from_bytes(packet[6:8]) & 0xFFF) - 4
            section = packet[5:end].replace(was, now)
            found[at] = packet[:5] + section + crc32(section).to_bytes(4) + packet[end + 4 :]
    return b"".join(found)


def unnamed(data: bytes) -> set[int]:
    """PIDs of packets behind a program map that does not name them."""
    named, found, association = set[int](), set[int](), b""
    for packet in packets(data):
        if pid_of(packet) == 0:
            association = packet
        elif pid_of(packet) == PMT_PID and packet[3] & 0x10:
            (table,) = program_maps(association + packet)
            named = {table.pcr_pid, *(stream.pid for stream in table.streams)}
        elif packet[3] & 0x10 and pid_of(packet) not in named | TABLES:
            found.add(pid_of(packet))
    return found


def assert_goes_on(frames: Sequence[Packet], data: bytes) -> None:
    """Every frame follows the one before, and so do the counters."""
    holes = [after.pts - before.pts - before.dur for before, after in pairwise(frames)]
    assert -45 <= min(holes) <= max(holes) <= frames[0].dur
    counters = Continuity()
    counters.take(ArrayBatch(data), data)
    assert not counters.lost


@pytest.mark.parametrize("audio", ["aac", "mp2"])
def test_sound_that_stays_away_is_made_up_and_gives_way(media: MediaCache, audio: str) -> None:
    capture = broadcast(media, replace(PLAIN, audio=audio))
    stage = RealTime()
    keeper, recorder = keep_ts(stage), stage.recorder()
    one = stage.intake()
    epoch = one.go_live("first")
    stage.play(one, without(capture.data, capture.names["eng"], 0.25, 0.75), 8.0)
    stage.clock.advance(0.1)
    assert epoch.init is not None
    track = epoch.init.first(Media.AUDIO)
    assert track is not None
    unit = silent_unit(track)
    assert unit is not None
    (frames,) = sounds(keeper.data).values()
    assert_goes_on(frames, keeper.data)
    silent = [frame for frame in frames if frame.data == unit.data]
    assert 3 < len(silent) * unit.length / TIMESCALE < 5
    assert frames[-1].data != unit.data
    assert len(keeper.boundaries) == 1
    assert max(packet.dts for packet in recorder.packets) > 17 * TIMESCALE


def test_a_program_without_sound_keeps_the_promise_of_the_one_before(media: MediaCache) -> None:
    sounding, mute = (
        broadcast(media, one).data
        for one in (PLAIN, replace(PLAIN, languages=(), start=77 * TIMESCALE, gop=10))
    )
    stage = RealTime()
    keeper = keep_ts(stage)
    for turn, data in enumerate((sounding, mute, sounding)):
        one = stage.intake()
        one.go_live(f"turn {turn}")
        stage.play(one, data[: len(data) // 2 // 188 * 188], 4.0)
        one.close()
    assert [[track.codec for track in init.tracks] for init in keeper.inits] == [
        [Codec.H264, Codec.AAC]
    ] * 3
    data = keeper.data
    (frames,) = sounds(data).values()
    assert len({pid_of(one) for one in packets(data)}) == 5, "three tables, pictures, one sound"
    assert_goes_on(frames, data)


def test_sound_that_is_announced_and_never_comes_is_made_up(media: MediaCache) -> None:
    first, second = (
        broadcast(media, one) for one in (PLAIN, replace(PLAIN, start=77 * TIMESCALE, gop=10))
    )
    stage = RealTime()
    keeper = keep_ts(stage)
    mute = without(second.data, second.names["eng"], 0.0, 1.0)
    for data in (first.data, mute):
        one = stage.intake()
        one.go_live("next")
        stage.play(one, data, 8.0)
        one.close()
    assert len(keeper.inits[-1].tracks) == 2
    (frames,) = sounds(keeper.data).values()
    assert_goes_on(frames, keeper.data)
    assert frames[-1].pts > 24 * TIMESCALE


def test_who_skips_is_told_the_counters_of_sound_that_is_made_up(media: MediaCache) -> None:
    sounding, mute = (
        broadcast(media, one).data
        for one in (PLAIN, replace(PLAIN, languages=(), start=77 * TIMESCALE, gop=10))
    )
    stage = RealTime()
    keeper = keep_ts(stage)
    for data in (sounding, mute):
        one = stage.intake()
        one.go_live("next")
        stage.play(one, data, 8.0)
        one.close()
    chunks = keeper.chunks
    points = [at for at, chunk in enumerate(chunks) if chunk.rap and chunk.epoch == 2]
    before = b"".join(chunk.lead + chunk.data for chunk in chunks[: points[3]])
    for point in points[4:]:
        assert inspect(before + joined(chunks[point:])).continuity_errors == []


def test_sound_that_moves_to_another_pid_is_not_made_up(media: MediaCache) -> None:
    first = broadcast(media, PLAIN)
    second = broadcast(media, replace(PLAIN, start=poor_end(first)))
    moved = moved_pid(versioned(second), second.names["eng"], 0x1F0)
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    epoch = one.go_live("first")
    stage.play(one, recount(first.data + moved), 16.0)
    assert epoch.init is not None
    track = epoch.init.first(Media.AUDIO)
    assert track is not None
    unit = silent_unit(track)
    assert unit is not None
    (frames,) = sounds(keeper.data).values()
    assert [frame for frame in frames if frame.data == unit.data] == []
    times = [frame.pts for frame in frames]
    assert times == sorted(times)


def muted(media: MediaCache, sent: Broadcast) -> bytes:
    """A broadcast, and as much again without the sound in its map."""
    first = broadcast(media, sent)
    mute = broadcast(media, replace(sent, languages=(), start=poor_end(first)))
    return recount(first.data + versioned(mute))


@pytest.mark.parametrize("audio", ["aac", "mp2"])
def test_sound_that_leaves_the_program_is_made_up_from_where_it_ended(
    media: MediaCache, audio: str
) -> None:
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("first")
    stage.play(one, muted(media, replace(PLAIN, seconds=2, audio=audio)), 4.0)
    times = [frame.pts for frames in sounds(keeper.data).values() for frame in frames]
    # The last unit of sound may hold fewer frames than those before it.
    assert all(0 < after - before < TIMESCALE // 8 for before, after in pairwise(times))
    assert times[-1] > 13 * TIMESCALE
    assert unnamed(keeper.data) == set()
    assert inspect(keeper.data).continuity_errors == []


def test_who_skips_before_sound_that_is_gone_is_made_up_is_told_of_it(media: MediaCache) -> None:
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("first")
    for piece in pieces(muted(media, replace(PLAIN, seconds=3)), 188 * 150):
        one.put_ts(piece, stage.clock.now())
        stage.clock.advance(0.2)
    chunks = keeper.chunks
    points = [at for at, chunk in enumerate(chunks) if chunk.rap]
    for stop in range(points[0] + 1, points[1], 5):
        before = joined(chunks[:stop])
        for point in points[2:]:
            assert inspect(before + joined(chunks[point:])).continuity_errors == []


def test_sound_that_can_not_be_read_is_not_mixed_with_silence(media: MediaCache) -> None:
    first, second = (broadcast(media, one) for one in (PLAIN, replace(PLAIN, start=77 * TIMESCALE)))
    sound = second.names["eng"]
    stage = RealTime()
    keeper = keep_ts(stage)
    for data in (first.data, scrambled(second.data, {sound})):
        one = stage.intake()
        one.go_live("next")
        stage.play(one, data, 8.0)
        one.close()
    assert inspect(keeper.data).continuity_errors == []
    passed = [one[3] & 0xD0 for one in packets(keeper.since(2)) if pid_of(one) == sound]
    assert set(passed[1:]) == {0x90}, "but for what announces its counters"
    assert len(keeper.inits[-1].tracks) == 2


def test_sound_that_is_made_up_is_in_the_map_whatever_maps_were_held(media: MediaCache) -> None:
    sent = replace(PLAIN, seconds=3)
    first = broadcast(media, sent)
    other = broadcast(media, replace(sent, audio="mp2", start=77 * TIMESCALE))
    mute = broadcast(media, replace(sent, languages=(), start=poor_end(other)))
    stage = RealTime()
    keeper = keep_ts(stage)
    one, two = stage.intake(), stage.intake()
    one.go_live("first")
    stage.play(one, first.data, 3.0)
    held = recount(other.data + versioned(mute))
    size = len(held) * 5 // 6 // 188 * 188
    stage.play(two, held[:size], 0.1)
    two.go_live("second")
    stage.play(two, held[size:], 1.0)
    assert len(set(inspect(keeper.since(2)).pids) - TABLES) == 2
    assert unnamed(keeper.since(2)) == set()


def test_silence_ends_where_pictures_change_as_sound_leaves_the_program(media: MediaCache) -> None:
    sent = replace(PLAIN, seconds=3)
    first = broadcast(media, sent)
    other = replace(sent, languages=(), video="mpeg2video", start=poor_end(first))
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("first")
    stage.play(one, recount(first.data + versioned(broadcast(media, other))), 6.0)
    assert unnamed(keeper.data) == set()


def test_nothing_is_promised_for_ever(media: MediaCache) -> None:
    sounding, mute = (
        broadcast(media, replace(one, seconds=3)).data
        for one in (PLAIN, replace(PLAIN, languages=(), start=77 * TIMESCALE, gop=10))
    )
    stage = RealTime()
    keeper = keep_ts(stage)
    one, two = stage.intake(), stage.intake()
    one.go_live("first")
    stage.play(one, sounding, 3.0)
    stage.clock.advance(PROMISED_S + 3)
    two.go_live("second")
    stage.play(two, mute, 3.0)
    assert [track.media for track in keeper.inits[-1].tracks] == [Media.VIDEO]


def test_what_is_only_held_up_is_not_made_up(media: MediaCache) -> None:
    data = broadcast(media, replace(PLAIN, sound_late_s=0.8)).data
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("first")
    half = len(data) // 2 // 188 * 188
    stage.play(one, data[:half], 4.0)
    stage.clock.advance(3.0)
    stage.play(one, data[half:], 1.0)
    stage.clock.advance(0.1)
    written = TransportStage()
    plain = keep_ts(written)
    two = written.intake()
    two.go_live("the same without a halt")
    written.feed(two, data, 1000)
    written.clock.advance(0.1)
    (frames,), (expected,) = sounds(keeper.data).values(), sounds(plain.data).values()
    assert [frame.data for frame in frames] == [frame.data for frame in expected]


@pytest.mark.parametrize("lacks", ["pictures", "a codec with silence"])
def test_where_nothing_can_be_made_up_nothing_changes(media: MediaCache, lacks: str) -> None:
    radio = lacks == "pictures"
    capture = broadcast(media, replace(PLAIN, video="") if radio else replace(PLAIN, audio="ac3"))
    stage = RealTime()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("first")
    stage.play(one, without(capture.data, capture.names["eng"], 0.25, 0.75), 8.0)
    stage.clock.advance(0.1)
    (frames,) = sounds(keeper.data).values()
    holes = [after.pts - before.pts - before.dur for before, after in pairwise(frames)]
    assert max(holes) > 2 * TIMESCALE
