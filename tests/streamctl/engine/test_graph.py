from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.derived import GRACE_S, Derived, GraphSettings
from streamctl.engine.graph import RECOVERED_S, RESTART_S, Graph
from streamctl.engine.lane import Bounds
from streamctl.errors import NotReady, Unsupported
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Format,
    Init,
    InitChange,
    Item,
    Packet,
    Track,
)
from streamctl.sdk.plugin import ConverterSpec
from streamctl.sdk.session import Action, Session
from streamctl.testing.clock import FakeClock
from tests.streamctl.engine.fanout_world import FakeWire
from tests.streamctl.engine.rig import SOUND, VIDEO, TextConverter, gop

if TYPE_CHECKING:
    from collections.abc import Sequence

BOTH = Init(1, 1, (VIDEO, SOUND))


class Words(TextConverter):
    """Fails when told to, and holds a last word back."""

    def __init__(self, rig: GraphRig) -> None:
        super().__init__()
        self.rig = rig
        self.fed: list[Item] = []
        self.legator: Words | None = None
        """The one that it takes the place of."""

    def inherit(self, failed: Words) -> None:
        self.legator = failed

    def convert(self, items: Sequence[Item]) -> list[Item]:
        if self.rig.failures:
            self.rig.failures -= 1
            raise RuntimeError("broke")
        self.fed.extend(items)
        return super().convert(items)

    def flush(self) -> list[Item]:
        if self.rig.failures:
            raise RuntimeError("broke at the end")
        return [Chunk(b"END", 0, 0, rap=False, flush=True, epoch=1)] if self.rig.tail else []


class Recorder:
    """A reader that keeps everything, or raises."""

    def __init__(self, *, fail: bool = False) -> None:
        self.items: list[Item] = []
        self.fail = fail

    def feed(self, items: Sequence[Item]) -> None:
        if self.fail:
            raise RuntimeError("the reader broke")
        self.items.extend(items)

    @property
    def keys(self) -> int:
        return sum(isinstance(item, Chunk) and item.rap for item in self.items)


class GraphRig:
    """A graph with one converter on a clock."""

    def __init__(self, codecs: frozenset[Codec] = frozenset({Codec.MPEG2, Codec.MP2})) -> None:
        self.clock = FakeClock()
        self.failures = 0
        self.tail = True
        self.made: list[Words] = []
        self.failed: list[str] = []
        self.notes: dict[str, str] = {}
        spec = ConverterSpec(Format.PACKETS, Format.RTMP, codecs, self.make)
        self.graph = Graph(
            GraphSettings(Bounds(10.0, 10_000_000), 0.0, 20.0),
            {Format.RTMP: spec},
            self.clock,
            failed=lambda name, error: self.failed.append(f"{name}: {error}"),
            note=self.notes.__setitem__,
        )
        self.second = 0

    def make(self) -> Words:
        self.made.append(Words(self))
        return self.made[-1]

    @property
    def entry(self) -> Derived:
        return self.graph.entry(Format.RTMP)

    def announce(self, init: Init = BOTH) -> None:
        self.graph.base.append([Boundary(init.epoch, init, "start")])

    def play(self, seconds: int) -> None:
        for _ in range(seconds):
            self.graph.base.append(gop(self.second * 25))
            self.second += 1
            self.clock.advance(1.0)


def test_a_converter_works_from_the_first_reader_until_a_grace_after_the_last() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(2)
    assert rig.made == []
    first = rig.graph.cursor(Format.RTMP)
    second = rig.graph.cursor(Format.RTMP)
    assert (rig.entry.running, rig.entry.users) == (True, 2)
    first.close()
    first.close()
    rig.clock.advance(GRACE_S + 1)
    assert rig.entry.running
    second.close()
    rig.clock.advance(GRACE_S - 1)
    assert rig.entry.running
    assert rig.entry.lane.items
    rig.clock.advance(2)
    assert not rig.entry.running
    assert rig.entry.lane.items == []
    assert rig.graph.base.readers == ()


def test_who_comes_within_the_grace_finds_the_converter_at_work() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.graph.cursor(Format.RTMP).close()
    rig.clock.advance(GRACE_S - 1)
    again = rig.graph.cursor(Format.RTMP)
    rig.clock.advance(GRACE_S * 2)
    assert rig.entry.running
    rig.play(1)
    assert len([item for item in rig.made[0].fed if isinstance(item, Packet)]) == 100
    assert len(rig.made) == 1
    again.close()


def test_the_pre_roll_begins_at_the_oldest_join_point_with_the_tracks_of_then() -> None:
    rig = GraphRig()
    rig.announce()
    rig.graph.base.append(gop(0)[1:4])
    rig.play(3)
    changed = Init(2, 1, (VIDEO,))
    rig.graph.base.append([InitChange(changed)])
    cursor = rig.graph.cursor(Format.RTMP)
    first, *others = rig.made[0].fed
    assert first == Boundary(1, BOTH, "pre-roll")
    assert len([item for item in others if isinstance(item, Packet)]) == 150
    assert others[-1] == InitChange(changed)
    assert cursor.join() == BOTH


def test_a_converter_that_starts_before_the_first_picture_gets_the_tracks() -> None:
    rig = GraphRig()
    rig.graph.cursor(Format.RTMP)
    assert rig.made[0].fed == []
    rig.announce()
    assert rig.made[0].fed == [Boundary(1, BOTH, "start")]


def test_the_converter_stays_with_its_lane() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    for _ in range(2):
        rig.graph.cursor(Format.RTMP).close()
        rig.clock.advance(GRACE_S + 1)
    assert len(rig.made) == 1


def test_tracks_that_can_not_be_carried_are_left_out_and_named() -> None:
    rig = GraphRig(frozenset({Codec.MPEG2}))
    rig.announce()
    rig.play(1)
    rig.graph.cursor(Format.RTMP)
    assert rig.notes == {"rtmp": "RTMP can't carry MP2 audio: left out"}
    fed = rig.made[0].fed
    assert isinstance(fed[0], Boundary)
    assert fed[0].init.tracks == (VIDEO,)
    assert {item.track for item in fed if isinstance(item, Packet)} == {0}
    rig.graph.base.append([InitChange(Init(2, 1, (VIDEO,)))])
    assert rig.notes == {"rtmp": ""}
    rig.graph.base.append([Boundary(2, Init(3, 2, (SOUND, Track(0, Codec.MPEG2, b""))), "x")])
    rig.play(1)
    assert {item.track for item in fed if isinstance(item, Packet)} == {0}


def test_a_lane_whose_video_can_not_be_carried_stays_empty_and_sends_its_viewers_away() -> None:
    rig = GraphRig(frozenset({Codec.MP2}))
    rig.announce(Init(1, 1, (SOUND,)))
    rig.play(1)
    told: list[str] = []
    cursor = rig.graph.cursor(Format.RTMP)
    session = Session("v", "words", Action.PLAY, "news", "10.0.0.9", 1, "", 0.0, told.append)
    rig.graph.fanout(Format.RTMP).add(cursor, FakeWire(), session)
    assert rig.graph.refusal(Format.RTMP) == ""
    rig.graph.base.append([Boundary(2, Init(2, 2, (VIDEO, SOUND)), "another publisher")])
    rig.play(1)
    sentence = "RTMP can't carry MPEG-2 video: no output of this stream can"
    assert told == [sentence]
    assert rig.notes == {"rtmp": sentence}
    assert rig.graph.refusal(Format.RTMP) == rig.entry.refusal == sentence
    newest = rig.made[0].fed[-1]
    assert isinstance(newest, Boundary)
    assert newest.init.tracks == ()


def test_a_format_without_converter_names_those_there_are() -> None:
    rig = GraphRig()
    with pytest.raises(Unsupported, match="`cmaf`") as caught:
        rig.graph.cursor(Format.CMAF)
    assert caught.value.hint == "available: rtmp"
    with pytest.raises(Unsupported, match="no fan-out"):
        rig.graph.fanout(Format.PACKETS)
    rig.graph.specs = {}
    with pytest.raises(Unsupported) as caught:
        rig.graph.lane(Format.CMAF)
    assert caught.value.hint == "available: nothing"


def test_a_cursor_on_packets_needs_no_converter() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    cursor = rig.graph.cursor(Format.PACKETS)
    assert cursor.join() == BOTH
    cursor.close()
    assert rig.graph.derived == {}


def test_a_reader_that_starts_the_converter_is_fed_all_that_the_base_holds() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(12)
    reader = Recorder()
    attached = rig.graph.attach(Format.RTMP, reader)
    held = len(rig.graph.base.joins)
    assert held > len(rig.entry.lane.joins)
    assert reader.keys == held
    rig.play(1)
    assert reader.keys == held + 1
    attached.detach()
    attached.detach()
    rig.play(1)
    assert reader.keys == held + 1
    rig.clock.advance(GRACE_S)
    assert not rig.entry.running


def test_a_reader_of_a_working_lane_is_fed_what_the_lane_holds() -> None:
    rig = GraphRig()
    rig.announce()
    rig.graph.cursor(Format.RTMP)
    rig.play(3)
    reader = Recorder()
    rig.graph.attach(Format.RTMP, reader)
    assert reader.items[0] == Boundary(1, BOTH, "pre-roll")
    assert reader.keys == 3
    rig.play(1)
    assert reader.keys == 4


def test_a_reader_of_packets_uses_no_converter() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    reader = Recorder()
    attached = rig.graph.attach(Format.PACKETS, reader)
    assert len(reader.items) == 51
    attached.detach()
    assert rig.graph.base.readers == ()


@pytest.mark.parametrize("working", [False, True])
def test_a_reader_that_fails_in_its_pre_roll_is_not_fed_again(working: bool) -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    if working:
        rig.graph.cursor(Format.RTMP)
    rig.graph.attach(Format.RTMP, Recorder(fail=True))
    rig.play(2)
    assert rig.failed == ["Recorder: the reader broke"]
    assert rig.entry.running


def test_a_converter_that_fails_starts_afresh_after_a_pause() -> None:
    rig = GraphRig()
    rig.announce()
    cursor = rig.graph.cursor(Format.RTMP)
    rig.play(1)
    rig.failures = 1
    rig.graph.base.append(gop(25))
    assert rig.failed == ["packets to rtmp: broke"]
    assert not rig.entry.running
    assert rig.entry.lane.items == []
    rig.graph.base.append(gop(50))
    assert len(rig.made) == 2
    assert rig.made[1].fed == []
    rig.clock.advance(RESTART_S)
    assert rig.made[1].fed == [Boundary(1, BOTH, "converter restarted")]
    assert rig.made[1].legator is rig.made[0]
    rig.graph.base.append(gop(75))
    assert cursor.join() == BOTH


def test_a_converter_that_fails_again_at_once_is_fed_once_and_not_twice() -> None:
    rig = GraphRig()
    rig.announce()
    rig.graph.cursor(Format.RTMP)
    rig.failures = 3
    rig.play(1)
    rig.clock.advance(RESTART_S * 5)
    assert len(rig.failed) == 3
    assert rig.graph.base.readers == (rig.entry,)
    rig.play(1)
    assert len(rig.entry.lane.items) == 51


def test_a_converter_that_fails_in_its_pre_roll_is_started_again() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.failures = 1
    rig.graph.cursor(Format.RTMP)
    assert not rig.entry.running
    assert rig.graph.base.readers == ()
    rig.clock.advance(RESTART_S)
    assert rig.entry.running


def test_a_new_reader_starts_a_failed_converter_without_waiting() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.failures = 1
    rig.graph.cursor(Format.RTMP)
    rig.graph.cursor(Format.RTMP)
    assert rig.entry.running
    rig.clock.advance(RESTART_S * 2)
    assert rig.graph.base.readers == (rig.entry,)


def test_a_new_reader_of_a_failed_converter_repeats_nothing_for_those_who_stay() -> None:
    rig = GraphRig()
    rig.announce()
    reader = Recorder()
    rig.graph.attach(Format.RTMP, reader)
    rig.play(2)
    rig.failures = 1
    rig.graph.base.append(gop(50))
    rig.graph.attach(Format.RTMP, Recorder())
    rig.graph.cursor(Format.RTMP)
    rig.graph.base.append(gop(75))
    starts = [item.start for item in reader.items if isinstance(item, Chunk) and item.rap]
    assert starts == [0, 90_000, 270_000]


def test_a_failed_converter_that_nobody_uses_stays_at_rest() -> None:
    rig = GraphRig()
    rig.announce()
    rig.graph.cursor(Format.RTMP).close()
    rig.failures = 1
    rig.play(1)
    rig.clock.advance(RESTART_S + GRACE_S)
    assert not rig.entry.running
    rig.failures = 1
    cursor = rig.graph.cursor(Format.RTMP)
    cursor.close()
    rig.clock.advance(RESTART_S)
    assert not rig.entry.running


def test_a_restart_before_the_first_epoch_has_nothing_to_announce() -> None:
    rig = GraphRig()
    rig.graph.cursor(Format.RTMP)
    rig.graph.reader_failed(rig.entry, RuntimeError("early"))
    rig.graph.base.remove_reader(rig.entry)
    rig.clock.advance(RESTART_S)
    assert rig.entry.running
    assert rig.made[-1].fed == []


def test_a_converter_that_works_again_is_no_longer_broken() -> None:
    rig = GraphRig()
    rig.announce()
    rig.graph.cursor(Format.RTMP)
    rig.failures = 1
    rig.play(1)
    rig.graph.tick(rig.clock.now())
    assert list(rig.graph.broken) == ["packets to rtmp"]
    rig.clock.advance(RECOVERED_S)
    rig.graph.tick(rig.clock.now())
    assert rig.graph.broken == {}
    rig.graph.attach(Format.RTMP, Recorder(fail=True))
    rig.clock.advance(RECOVERED_S * 10)
    rig.graph.tick(rig.clock.now())
    assert list(rig.graph.broken) == ["Recorder"]
    rig.graph.attach(Format.RTMP, Recorder())
    rig.graph.tick(rig.clock.now())
    assert rig.graph.broken == {}


@pytest.mark.anyio
async def test_closing_wakes_every_waiting_cursor_and_nothing_starts_again() -> None:
    rig = GraphRig()
    rig.announce()
    ended: list[Format] = []

    async def wait(fmt: Format) -> None:
        with pytest.raises(NotReady):
            await rig.graph.cursor(fmt).wait()
        ended.append(fmt)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, Format.PACKETS)
        tasks.start_soon(wait, Format.RTMP)
        await anyio.wait_all_tasks_blocked()
        rig.graph.reader_failed(rig.entry, RuntimeError("at the end"))
        rig.graph.close()
    assert sorted(ended) == [Format.PACKETS, Format.RTMP]
    rig.clock.advance(RESTART_S + GRACE_S)
    assert rig.graph.base.readers == ()
    assert rig.graph.base.items == rig.entry.lane.items == []


@pytest.mark.anyio
async def test_the_end_of_the_stream_reaches_the_readers_of_derived_lanes() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    cursor = rig.graph.cursor(Format.RTMP)
    cursor.join()
    rig.graph.finish()
    last = cursor.take()[-1]
    assert isinstance(last, Chunk)
    assert last.data == b"END"
    with pytest.raises(NotReady):
        await cursor.wait()


@pytest.mark.anyio
async def test_who_comes_after_the_end_takes_what_is_left() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.graph.finish()
    cursor = rig.graph.cursor(Format.RTMP)
    cursor.join()
    assert len(cursor.take()) == 50
    with pytest.raises(NotReady):
        await cursor.wait()


def test_the_end_is_told_even_by_a_converter_that_fails_there() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.graph.cursor(Format.RTMP)
    rig.failures = 1
    rig.graph.finish()
    assert rig.failed == ["packets to rtmp: broke at the end"]
    assert rig.entry.lane.closed
    rig.clock.advance(RESTART_S)
    assert not rig.entry.running


def test_a_converter_that_holds_nothing_back_or_rests_adds_nothing_at_the_end() -> None:
    rig = GraphRig()
    rig.announce()
    rig.play(1)
    rig.tail = False
    rig.graph.cursor(Format.RTMP).close()
    items = len(rig.entry.lane.items)
    rig.graph.finish()
    assert len(rig.entry.lane.items) == items
    rig.clock.advance(GRACE_S + 1)
    rig.graph.finish()
    assert rig.entry.lane.items == []
