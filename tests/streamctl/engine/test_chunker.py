from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from streamctl.engine import chunker
from streamctl.media.mpegts.index import Entry, TsIndex
from streamctl.media.packet import Flag
from tests.streamctl.engine.ts_world import (
    PLAIN,
    Keeper,
    World,
    again,
    joined,
    pieces,
    poor_end,
    recount,
    start,
    versioned,
)
from tests.streamctl.media.mpegts.world import program_maps
from tests.support.broadcast import Broadcast, broadcast
from tests.support.ts import inspect
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from tests.support.media import MediaCache

OPEN = Broadcast(seconds=2.5, video="mpeg2video", audio="mp2")
"""Pictures that lead each random-access point."""
STREAMS = {0x111, 0x121, 0x122}
ALL_AT_ONCE = 1_000_000
NEVER_MADE_UP = "ac3"
"""Sound that silence can't stand in for."""


def passed(data: bytes, packets_at_once: int = 7) -> Keeper:
    """What an epoch makes of so many packets at once, in no time."""
    world = World()
    epoch, keeper = start(world)
    for piece in pieces(data, packets_at_once * 188):
        epoch.put_ts(piece, world.clock.now())
        epoch.settle()
    epoch.end()
    return keeper


def from_amid_a_group(media: MediaCache, wanted: Broadcast = OPEN) -> bytes:
    """A capture whose first random-access point has pictures that lead it."""
    data = broadcast(media, wanted).data
    return data[len(data) // 188 // 4 * 188 :]


def assert_all_can_join(keeper: Keeper) -> None:
    """Whoever begins at any random-access point sees no counter jump."""
    points = [at for at, chunk in enumerate(keeper.chunks) if chunk.rap]
    assert len(points) >= 2
    for at in points:
        assert inspect(joined(keeper.chunks[at:])).continuity_errors == []


def assert_all_can_skip(keeper: Keeper) -> None:
    """Whoever loses anything between two random-access points sees no counter jump."""
    chunks = keeper.chunks
    points = [at for at, chunk in enumerate(chunks) if chunk.rap]
    for begin, goal in combinations(points, 2):
        for stop in range(begin + 1, goal + 1, 11):
            data = joined(chunks[begin:stop]) + joined(chunks[goal:])
            assert inspect(data).continuity_errors == []


def test_who_goes_without_leading_pictures_gets_the_tables_in_front_of_them(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunker, "TABLES_INTERVAL", 0)
    keeper = passed(broadcast(media, OPEN).data)
    assert any(chunk.flags & Flag.LEADING for chunk in keeper.chunks)
    assert_all_can_join(keeper)


def test_a_leading_picture_is_left_out_though_its_packets_come_twice(media: MediaCache) -> None:
    twice = [packet * (1 + (packet[1] >> 6 & 1)) for packet in packets(from_amid_a_group(media))]
    keeper = passed(b"".join(twice))
    entries = [one for one in TsIndex().feed(keeper.data) if isinstance(one, Entry)]
    assert entries[0].rap
    group = entries[: next(at for at, one in enumerate(entries) if at and one.rap)]
    assert not any(one.flags & Flag.LEADING for one in group)


@pytest.mark.parametrize("packets_at_once", [1, 60, ALL_AT_ONCE])
def test_counters_of_a_codec_go_on_when_it_comes_back_on_its_pid(
    media: MediaCache, packets_at_once: int
) -> None:
    first = again(media, languages=("eng",), seconds=1.5)
    other = again(media, languages=("eng",), seconds=1.5, audio="mp2", start=poor_end(first))
    last = again(media, languages=("eng",), seconds=1.5, start=poor_end(other))
    data = recount(first.data + versioned(other) + last.data)
    keeper = passed(data, packets_at_once)
    assert len({one.streams[1].pid for one in program_maps(keeper.data)}) == 2
    assert inspect(keeper.data).continuity_errors == []


@pytest.mark.parametrize("packets_at_once", [7, ALL_AT_ONCE])
def test_who_skips_while_a_stream_is_away_is_told_of_its_counters(
    media: MediaCache, packets_at_once: int
) -> None:
    sent = replace(PLAIN, languages=("eng",), seconds=1.5, audio=NEVER_MADE_UP)
    first = broadcast(media, sent)
    other = broadcast(media, replace(sent, languages=(), start=poor_end(first)))
    last = broadcast(media, replace(sent, start=poor_end(other)))
    assert_all_can_skip(passed(recount(first.data + versioned(other) + last.data), packets_at_once))


@pytest.mark.parametrize("packets_at_once", [7, 200, ALL_AT_ONCE])
def test_the_same_leaves_however_many_packets_come_at_once(
    media: MediaCache, packets_at_once: int
) -> None:
    data = from_amid_a_group(media)
    data = data[: len(data) // 188 // 2 * 188] + data[(len(data) // 188 // 2 + 3) * 188 :]
    keeper = passed(data, packets_at_once)
    assert keeper.data == passed(data, 1).data


@pytest.mark.parametrize("packets_at_once", [7, ALL_AT_ONCE])
def test_who_joins_before_a_stream_leaves_the_program_sees_no_counter_jump(
    media: MediaCache, packets_at_once: int
) -> None:
    rich = again(media, languages=("eng", "spa"), seconds=1.5)
    poor = again(media, languages=("eng",), seconds=1.5, start=poor_end(rich))
    assert_all_can_join(passed(recount(rich.data + versioned(poor)), packets_at_once))


@pytest.mark.parametrize("packets_at_once", [7, ALL_AT_ONCE])
def test_what_came_before_the_tables_is_left_out_however_it_came(
    media: MediaCache, packets_at_once: int
) -> None:
    found = list(packets(again(media, sound_late_s=-0.3).data))
    tables = [one for one in found if pid_of(one) not in STREAMS][:3]
    rest = [one for one in found if pid_of(one) in STREAMS]
    points = [at for at, one in enumerate(rest) if one[3] & 0x20 and one[5] & 0x40]
    point = points[1]
    data = b"".join((*rest[:point], *tables, *rest[point:]))
    assert passed(data, packets_at_once).data == passed(data, 1).data
