from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.lane import (
    AUDIO_RAP_SPACING,
    BARE_MAX,
    ITEM_OVERHEAD_BYTES,
    Bounds,
    Lane,
    LaneCursor,
)
from streamctl.errors import NotReady
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Codec,
    Format,
    Init,
    InitChange,
    Kind,
    Packet,
    Skipped,
    Track,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Item
    from streamctl.sdk.lane import Reader

FRAME = 3600
VIDEO = Track(0, Codec.H264, b"c")
SOUND = Track(1, Codec.AAC, b"c")
WITH_VIDEO = Init(1, 1, (VIDEO, SOUND))
SOUND_ONLY = Init(1, 1, (SOUND,))


class Recorder:
    def __init__(self, *, fail: bool = False) -> None:
        self.items: list[Item] = []
        self.fail = fail

    def feed(self, items: Sequence[Item]) -> None:
        if self.fail:
            raise RuntimeError("broken")
        self.items.extend(items)


def lane(seconds: float = 10.0, max_bytes: int = 10_000_000) -> tuple[Lane, list[Exception]]:
    errors: list[Exception] = []

    def note(reader: Reader, error: Exception) -> None:
        errors.append(error)

    return Lane(Format.PACKETS, Bounds(seconds, max_bytes), note), errors


def frame(number: int, *, gop: int = 25, size: int = 100) -> Packet:
    kind = Kind.P if number % gop else Kind.KEY
    return Packet(0, number * FRAME, number * FRAME, kind, 0, bytes(size), FRAME)


def filled(frames: int, *, seconds: float = 10.0, max_bytes: int = 10_000_000) -> Lane:
    made, _ = lane(seconds, max_bytes)
    made.append([Boundary(1, WITH_VIDEO, "start")])
    for number in range(frames):
        made.append([frame(number)])
    return made


def cursor(of: Lane) -> LaneCursor:
    return LaneCursor(of, lambda: None)


def test_join_lands_on_the_newest_random_access_point() -> None:
    reader = cursor(filled(60))
    assert reader.join() is WITH_VIDEO
    first = reader.take()[0]
    assert isinstance(first, Packet)
    assert first.dts == 50 * FRAME


def test_join_before_any_random_access_point_is_not_ready() -> None:
    made, _ = lane()
    made.append([Boundary(1, WITH_VIDEO, "start"), frame(1)])
    with pytest.raises(NotReady):
        cursor(made).join()


def test_take_is_bounded_by_bytes_but_gives_at_least_one_item() -> None:
    reader = cursor(filled(60))
    reader.join()
    assert len(reader.take(250)) == 2
    assert len(reader.take(1)) == 1
    assert len(reader.take()) == 7
    assert reader.at_head()
    assert reader.take() == []


def test_old_groups_go_by_media_time() -> None:
    made = filled(25 * 30, seconds=4)
    assert 4.0 <= made.seconds < 6.0
    assert made.newest_gop == TIMESCALE
    assert made.base == made.joins[0].index


def test_bytes_count_with_their_overhead_and_never_pass_the_bound() -> None:
    bound = 40 * (100 + ITEM_OVERHEAD_BYTES)
    made = filled(200, max_bytes=bound)
    assert made.bytes <= bound
    assert made.bytes == sum(
        len(item.data) + ITEM_OVERHEAD_BYTES for item in made.items if isinstance(item, Packet)
    )


def test_changes_of_tracks_count_too_so_that_they_can_not_fill_the_memory() -> None:
    bound = 40 * (100 + ITEM_OVERHEAD_BYTES)
    made = filled(1, max_bytes=bound)
    for version in range(2, 500):
        made.append([InitChange(Init(version, 1, (Track(0, Codec.H264, bytes(500)),)))])
        assert made.bytes <= bound
    made.append([frame(25)])
    assert cursor(made).join().version == 499
    made.clear()
    assert made.bytes == 0


def test_an_outage_is_no_group_of_pictures() -> None:
    made = filled(60)
    made.append([Boundary(2, Init(2, 2, (VIDEO,)), "back"), frame(200)])
    assert made.newest_gop == TIMESCALE
    made.append([frame(250)])
    assert made.newest_gop == 50 * FRAME


def test_a_group_larger_than_the_bound_leaves_no_join_point_until_the_next() -> None:
    made = filled(24, max_bytes=10 * (100 + ITEM_OVERHEAD_BYTES))
    assert made.gop_too_long
    assert not made.joins
    made.append([frame(25)])
    assert not made.gop_too_long
    assert cursor(made).join() is WITH_VIDEO


def test_falling_off_the_tail_is_counted_and_lands_on_a_picture() -> None:
    made = filled(30, seconds=1)
    slow = cursor(made)
    slow.join()
    slow.take(1)
    position, time = slow.position, slow.time
    for number in range(30, 200):
        made.append([frame(number)])
    skipped, landed = slow.take(300)[:2]
    assert isinstance(skipped, Skipped)
    assert isinstance(landed, Packet)
    assert landed.kind is Kind.KEY
    assert landed.dts == 175 * FRAME
    assert skipped.media_time == landed.dts - time
    assert skipped.items == made.joins[-1].index - position


def test_audio_is_a_join_point_twice_a_second_only_without_video() -> None:
    made, _ = lane()
    made.append([Boundary(1, SOUND_ONLY, "start")])
    step = TIMESCALE // 50
    for number in range(200):
        made.append([Packet(1, number * step, number * step, Kind.AUDIO, 0, b"a", step)])
    spacing = [b.time - a.time for a, b in zip(made.joins, list(made.joins)[1:], strict=False)]
    assert set(spacing) == {AUDIO_RAP_SPACING}
    with_video, _ = lane()
    with_video.append([Boundary(1, WITH_VIDEO, "start")])
    with_video.append([Packet(1, 0, 0, Kind.AUDIO, 0, b"a", step)])
    assert not with_video.joins


def test_a_join_point_remembers_the_tracks_that_were_announced_there() -> None:
    made = filled(30, seconds=100)
    later = Init(2, 1, (VIDEO,))
    made.append([InitChange(later)])
    assert cursor(made).join() is WITH_VIDEO
    made.append([frame(50)])
    assert cursor(made).join() is later
    boundary = made.history()[0]
    assert isinstance(boundary, Boundary)
    assert boundary.init is WITH_VIDEO


def test_history_begins_where_it_is_young_and_small_enough_or_at_the_newest_point() -> None:
    made = filled(100, seconds=100)
    first, *_, newest = made.joins

    def begins(seconds: float, max_bytes: float) -> int:
        return made.head - len(made.history(seconds, max_bytes)) + 1

    assert begins(100, 1e9) == first.index
    assert begins(0, 1e9) == begins(100, 0) == newest.index
    second = made.joins[1]
    assert begins((made.newest - second.time) / TIMESCALE, 1e9) == second.index
    assert begins(100, made.written - second.weight) == second.index


def test_pre_roll_of_an_empty_lane_is_the_announcement_alone() -> None:
    made, _ = lane()
    assert made.history() == []
    made.append([Boundary(3, WITH_VIDEO, "start")])
    assert [type(item) for item in made.history()] == [Boundary]


def test_a_failing_reader_is_detached_and_others_are_fed() -> None:
    made, errors = lane()
    good, bad = Recorder(), Recorder(fail=True)
    made.add_reader(bad)
    made.add_reader(good)
    made.append([frame(0)])
    made.append([frame(1)])
    assert len(good.items) == 2
    assert made.readers == (good,)
    assert [str(error) for error in errors] == ["broken"]


def test_eviction_keeps_the_newest_group() -> None:
    made = filled(80)
    before = made.bytes
    freed = made.evict_oldest()
    gone = ITEM_OVERHEAD_BYTES + len(b"cc") + 25 * (100 + ITEM_OVERHEAD_BYTES)
    assert freed == before - made.bytes == gone
    while made.evict_oldest():
        pass
    assert len(made.joins) == 1
    assert cursor(made).join() is WITH_VIDEO


def test_byte_lanes_join_at_their_marked_chunks() -> None:
    made, _ = lane()
    made.append([Boundary(1, WITH_VIDEO, "start")])
    before = made.bytes
    made.append([Chunk(b"x", 5, 6, rap=False, flush=True, epoch=1, lead=b"lead")])
    assert made.bytes - before == len(b"leadx") + ITEM_OVERHEAD_BYTES
    made.append([Chunk(b"y", 7, 9, rap=True, flush=True, epoch=1)])
    reader = cursor(made)
    reader.join()
    assert [item.data for item in reader.take() if isinstance(item, Chunk)] == [b"y"]
    assert made.newest == 9


@pytest.mark.parametrize("media", [[], [frame(number) for number in range(60)]])
def test_sources_that_bring_nothing_to_carry_do_not_pile_up(media: list[Item]) -> None:
    made, _ = lane()
    made.append([Boundary(1, WITH_VIDEO, "start"), *media])
    for number in range(2, 3 * BARE_MAX):
        made.append([Boundary(number, Init(number, number, ()), "came back")])
    assert len(made.items) <= BARE_MAX + 1 + len(media)
    assert made.bytes == len(made.items) * ITEM_OVERHEAD_BYTES
    init = Init(999, 999, (VIDEO,))
    made.append([Boundary(999, init, "came back"), frame(1000), frame(1025)])
    assert cursor(made).join() is init


def test_changes_between_media_cut_nothing() -> None:
    made, _ = lane()
    made.append([Boundary(1, WITH_VIDEO, "start")])
    for number in range(2 * BARE_MAX):
        made.append([frame(number), InitChange(WITH_VIDEO)])
    assert len(made.items) == 1 + 4 * BARE_MAX


@pytest.mark.anyio
async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    made = filled(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cursor(made).wait)
        await anyio.wait_all_tasks_blocked()
        assert len(made.waiters) == 1
        tasks.cancel_scope.cancel()
    assert made.waiters == []


@pytest.mark.anyio
async def test_waiting_ends_with_the_next_item_and_with_the_end() -> None:
    made = filled(1)
    reader = cursor(made)
    woken = anyio.Event()

    async def wait() -> None:
        await reader.wait()
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        made.append([frame(1)])
        await woken.wait()
    made.finish()
    await reader.wait()
    assert len(reader.take()) == 1
    with pytest.raises(NotReady):
        await reader.wait()


def test_clearing_moves_cursors_on_and_closing_calls_back_once() -> None:
    made = filled(30)
    closed: list[int] = []
    reader = LaneCursor(made, lambda: closed.append(1))
    reader.join()
    made.clear()
    assert made.bytes == 0
    skipped = reader.take()
    assert [type(item) for item in skipped] == [Skipped]
    reader.close()
    reader.close()
    assert closed == [1]
    made.close()
    assert made.closed
