from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.epoch import CONFIG_WAIT_S
from streamctl.engine.held import EARLY_S, HELD_BYTES, WHOLE_S, HeldTransport
from streamctl.engine.intake import Intake
from streamctl.errors import StaleEpoch, Unsupported
from streamctl.media.mpegts.index import Entry, TsIndex
from streamctl.media.packet import TIMESCALE, Boundary, Codec, Format, Kind, Packet, Track
from tests.streamctl.engine.rig import FRAME, SOUND, VIDEO, gop
from tests.streamctl.engine.ts_world import PLAIN, Keeper, World, again, pieces
from tests.support.broadcast import broadcast
from tests.support.ts import inspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.engine.epoch import Epoch
    from tests.support.media import MediaCache

LATE = Track(2, Codec.AAC, None)
NULL_PACKET = b"\x47\x1f\xff\x10" + bytes(184)


class Stage(World):
    """A stream with several inputs, of which at most one is on air."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_air: Epoch | None = None
        self.points: list[Intake] = []

    def begin(self, reason: str) -> Epoch:
        if self.on_air is not None:
            self.on_air.end()
        self.on_air = self.epoch(reason)
        return self.on_air

    def intake(self) -> Intake:
        return Intake(self.clock, begin=self.begin, rap=self.points.append)

    def live(self) -> Intake:
        """An input on air, with a second of pictures and sound behind it."""
        one = self.intake()
        one.go_live("first")
        one.tracks([VIDEO, SOUND])
        self.deliver(one, 0, 25)
        return one

    def deliver(self, one: Intake, start: int, frames: int, *, keys: int = 25) -> None:
        """Pictures and sound in real time."""
        for number in range(start, start + frames):
            one.put(units(number, keys), self.clock.now())
            self.clock.advance(0.04)

    def recorder(self) -> Keeper:
        keeper = Keeper()
        self.graph.attach(Format.PACKETS, keeper)
        return keeper


def units(number: int, keys: int = 25) -> list[Packet]:
    dts = number * FRAME
    kind = Kind.KEY if number % keys == 0 else Kind.P
    return [
        Packet(0, dts, dts, kind, 0, b"v" * 100, FRAME),
        Packet(1, dts, dts, Kind.AUDIO, 0, b"a" * 10, FRAME),
    ]


def pictures(keeper: Keeper) -> list[Packet]:
    return [packet for packet in keeper.packets if packet.kind is not Kind.AUDIO]


def test_who_is_live_at_once_writes_like_an_epoch() -> None:
    stage = Stage()
    keeper = stage.recorder()
    one = stage.live()
    assert one.epoch is stage.on_air
    assert len(keeper.packets) == 50
    assert stage.points == []
    stage.begin("another")
    with pytest.raises(StaleEpoch):
        one.put(gop(25), stage.clock.now())


def test_what_is_held_reaches_nobody_and_points_are_told() -> None:
    stage = Stage()
    keeper = stage.recorder()
    stage.live()
    standby = stage.intake()
    standby.tracks([VIDEO, SOUND])
    stage.deliver(standby, 1000, 60)
    assert stage.points == [standby] * 3
    assert standby.ready
    assert len(keeper.packets) == 50
    assert stage.epochs == 1


def test_a_standby_that_goes_live_begins_at_its_newest_point_without_a_hole() -> None:
    stage = Stage()
    keeper = stage.recorder()
    first = stage.live()
    standby = stage.intake()
    standby.tracks([VIDEO, SOUND])
    for number in range(35):
        first.put(units(25 + number), stage.clock.now())
        standby.put(units(1000 + number), stage.clock.now())
        stage.clock.advance(0.04)
    standby.go_live("the first was lost")
    stage.deliver(standby, 1035, 10)
    shown = pictures(keeper)
    assert [packet.epoch for packet in shown] == [1] * 60 + [2] * 20
    assert shown[60].kind is Kind.KEY
    steps = [after.dts - before.dts for before, after in pairwise(shown)]
    assert set(steps) == {FRAME}
    sound = [packet for packet in keeper.packets if packet.kind is Kind.AUDIO]
    steps = [after.dts - before.dts for before, after in pairwise(sound)]
    assert set(steps) == {FRAME}


def test_an_outage_stays_a_gap_of_its_true_length() -> None:
    stage = Stage()
    keeper = stage.recorder()
    stage.live()
    standby = stage.intake()
    standby.tracks([VIDEO, SOUND])
    stage.deliver(standby, 1000, 110)
    standby.go_live("timeout")
    shown = pictures(keeper)
    assert shown[25].dts - shown[24].dts == FRAME + 100 * FRAME
    sound = [packet for packet in keeper.packets if packet.kind is Kind.AUDIO]
    assert sound[25].dts >= shown[25].dts - EARLY_S * TIMESCALE


def test_one_that_is_superseded_holds_again_and_can_come_back() -> None:
    stage = Stage()
    keeper = stage.recorder()
    first = stage.live()
    standby = stage.intake()
    standby.tracks([VIDEO, SOUND])
    stage.deliver(standby, 1000, 5)
    standby.go_live("a wish")
    first.hold()
    assert not first.ready
    stage.deliver(first, 30, 25)
    assert first.ready
    assert stage.points[-1] is first
    first.go_live("back")
    standby.hold()
    boundaries = [item for item in keeper.items if isinstance(item, Boundary)]
    assert [boundary.reason for boundary in boundaries][-2:] == ["a wish", "back"]
    times = [packet.dts for packet in pictures(keeper)]
    assert times == sorted(set(times))


def test_nothing_is_ready_before_every_track_is_known() -> None:
    stage = Stage()
    one = stage.intake()
    one.tracks([replace(VIDEO, config=None), SOUND])
    stage.deliver(one, 0, 10)
    assert not one.ready
    assert stage.points == []
    one.tracks([VIDEO])
    assert one.ready
    assert stage.points == [one]


def test_a_track_that_stays_unknown_is_not_waited_for_without_end() -> None:
    stage = Stage()
    keeper = stage.recorder()
    one = stage.intake()
    one.tracks([VIDEO, SOUND, LATE])
    stage.deliver(one, 0, round(CONFIG_WAIT_S * 25) + 26)
    assert stage.points
    one.go_live("at last")
    assert [track.id for track in keeper.boundaries[-1].init.tracks] == [0, 1]
    assert keeper.packets


def test_sound_alone_can_be_begun_anywhere() -> None:
    stage = Stage()
    one = stage.intake()
    one.tracks([SOUND])
    for number in range(50):
        one.put(units(number)[1:], stage.clock.now())
        stage.clock.advance(0.04)
    assert 3 <= len(stage.points) <= 5
    one.go_live("radio")
    assert stage.on_air is not None
    assert stage.on_air.on_air


def test_pictures_before_the_first_point_are_not_kept() -> None:
    stage = Stage()
    one = stage.intake()
    one.tracks([VIDEO, SOUND])
    stage.deliver(one, 1, 24)
    assert one.held_bytes == 24 * 10
    assert not one.ready


def test_what_is_held_is_bounded_in_time_and_bytes() -> None:
    stage = Stage()
    one = stage.intake()
    one.tracks([VIDEO, SOUND])
    stage.deliver(one, 0, 500)
    assert one.held_bytes <= 25 * 110 + EARLY_S * 25 * 10 + 110
    huge = Packet(0, 10**7, 10**7, Kind.P, 0, bytes(HELD_BYTES), FRAME)
    one.put([huge], stage.clock.now())
    assert one.held_bytes == 0
    assert not one.ready


def test_a_break_of_the_source_makes_it_begin_anew() -> None:
    stage = Stage()
    one = stage.intake()
    one.discontinuity("nothing yet")
    one.tracks([VIDEO, SOUND])
    stage.deliver(one, 0, 5)
    one.discontinuity("another programme")
    assert not one.ready
    one.drop(3)
    one.go_live("now")
    one.discontinuity("live")
    one.drop(3)
    assert stage.on_air is not None
    assert stage.on_air.dropped == 3


def test_the_first_words_decide_what_is_taken() -> None:
    stage = Stage()
    one, other = stage.intake(), stage.intake()
    one.tracks([VIDEO])
    with pytest.raises(Unsupported):
        one.put_ts(b"\x47", stage.clock.now())
    other.put_ts(bytes(188), stage.clock.now())
    with pytest.raises(Unsupported):
        other.tracks([VIDEO])


def test_a_closed_intake_takes_nothing() -> None:
    stage = Stage()
    one = stage.intake()
    one.close()
    now = stage.clock.now()
    calls: tuple[Callable[[], None], ...] = (
        lambda: one.put([], now),
        lambda: one.put_ts(b"", now),
        lambda: one.tracks([]),
        lambda: one.select(1),
        lambda: one.drop(1),
        lambda: one.discontinuity(""),
    )
    for call in calls:
        with pytest.raises(StaleEpoch):
            call()
    assert not one.ready


def test_what_is_counted_goes_on_over_every_change() -> None:
    stage = Stage()
    one = stage.intake()
    assert one.reading().bytes == 0
    one.tracks([VIDEO, SOUND])
    totals = []
    for step in range(4):
        stage.deliver(one, step * 30, 30)
        totals.append(one.reading())
        one.go_live("live") if step % 2 == 0 else one.hold()
        totals.append(one.reading())
    assert [total.bytes for total in totals] == [n * 3300 for n in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert [total.frames for total in totals] == [n * 30 for n in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert totals[-1].has_video


class TransportStage(Stage):
    """The same with transport streams."""

    def feed(self, one: Intake, data: bytes, kbps: float = 3000) -> None:
        for piece in pieces(data, 1316):
            one.put_ts(piece, self.clock.now())
            self.clock.advance(len(piece) * 8 / kbps / 1000)


def keep_ts(stage: Stage) -> Keeper:
    keeper = Keeper()
    stage.graph.attach(Format.MPEGTS, keeper)
    return keeper


def test_a_transport_stream_waits_and_goes_live_in_one_turn(media: MediaCache) -> None:
    stage = TransportStage()
    keeper = keep_ts(stage)
    capture = broadcast(media, PLAIN)
    one = stage.intake()
    stage.feed(one, capture.data)
    assert len(stage.points) >= 2
    assert one.ready
    assert keeper.chunks == []
    one.go_live("now")
    assert stage.on_air is not None
    assert stage.on_air.on_air
    assert keeper.chunks[0].rap or keeper.chunks[1].rap
    assert 0 < len(keeper.data) < len(capture.data)
    stage.feed(one, again(media, start=PLAIN.start + 225_000).data)
    assert len(keeper.data) > len(capture.data)


def test_a_point_of_a_transport_stream_is_told_when_all_of_its_picture_is_there(
    media: MediaCache,
) -> None:
    data = broadcast(media, replace(PLAIN, video_kbps=1500)).data
    for wanted in (1, 2):
        stage = TransportStage()
        stage.live()
        one = stage.intake()
        for piece in pieces(data, 188):
            one.put_ts(piece, stage.clock.now())
            stage.clock.advance(0.001)
            if len(stage.points) == wanted:
                break
        one.go_live("at once")
        assert stage.on_air is not None
        assert stage.on_air.on_air


def test_a_picture_that_nothing_follows_is_waited_for_no_longer(media: MediaCache) -> None:
    held, index = HeldTransport(), TsIndex()
    for piece in pieces(broadcast(media, PLAIN).data, 188):
        held.put(piece, 0.0)
        if any(isinstance(event, Entry) and event.rap for event in index.feed(piece)):
            break
    assert not held.ready
    assert held.put(NULL_PACKET, WHOLE_S)
    assert held.ready


def test_the_sound_before_the_picture_comes_with_it(media: MediaCache) -> None:
    stage = TransportStage()
    keeper = stage.recorder()
    capture = broadcast(media, replace(PLAIN, sound_late_s=-0.4))
    one = stage.intake()
    stage.feed(one, capture.data)
    one.go_live("now")
    stage.clock.advance(0.1)
    first = {packet.kind is Kind.AUDIO: packet.pts for packet in reversed(keeper.packets)}
    assert first[True] <= first[False]


def test_a_transport_stream_holds_again_and_comes_back(media: MediaCache) -> None:
    stage = TransportStage()
    keeper = keep_ts(stage)
    capture = broadcast(media, PLAIN)
    one = stage.intake()
    one.select(capture.programs[0].number)
    one.go_live("first")
    stage.feed(one, capture.data)
    one.hold()
    assert one.reading().bytes == len(capture.data)
    stage.feed(one, again(media, start=PLAIN.start + 225_000).data)
    assert one.ready
    one.go_live("again")
    assert [boundary.reason for boundary in keeper.boundaries] == ["first", "again"]


def test_a_change_of_origin_is_no_obstacle(media: MediaCache) -> None:
    stage = TransportStage()
    keeper = stage.recorder()
    stage.live()
    transport = stage.intake()
    stage.feed(transport, broadcast(media, PLAIN).data)
    transport.go_live("transport")
    stage.clock.advance(0.1)
    assert keeper.boundaries[-1].reason == "transport"
    times = [packet.dts for packet in pictures(keeper)]
    assert times == sorted(set(times))
    back = stage.intake()
    back.tracks([VIDEO, SOUND])
    stage.deliver(back, 0, 10)
    back.go_live("back")
    assert pictures(keeper)[-1].epoch == 3


@pytest.mark.parametrize("size", [1, 997, 1316, 65_536])
def test_pieces_of_any_size_are_the_same(media: MediaCache, size: int) -> None:
    stage = TransportStage()
    keeper = keep_ts(stage)
    data = broadcast(media, PLAIN).data
    if size == 1:
        data = data[: 188 * 700]
    one = stage.intake()
    for piece in pieces(data, size):
        one.put_ts(piece, stage.clock.now())
    if size > 1:
        assert one.ready
    one.go_live("now")
    assert keeper.chunks or size == 1


@pytest.mark.parametrize("size", [997, 5000])
def test_going_live_in_the_middle_of_a_packet_loses_nothing(media: MediaCache, size: int) -> None:
    stage = TransportStage()
    keeper = keep_ts(stage)
    data = broadcast(media, PLAIN).data
    one = stage.intake()
    found = list(pieces(data, size))
    for piece in found[: len(found) // 2]:
        one.put_ts(piece, stage.clock.now())
        stage.clock.advance(0.005)
    epoch = one.go_live("now")
    for piece in found[len(found) // 2 :]:
        one.put_ts(piece, stage.clock.now())
        stage.clock.advance(0.005)
    stage.clock.advance(0.1)
    assert epoch.missing == 0
    assert epoch.transport is not None
    assert epoch.transport.aligner.resyncs == 0
    assert inspect(keeper.data).continuity_errors == []


def test_bytes_that_are_no_transport_stream_are_not_held_without_end() -> None:
    stage = Stage()
    one = stage.intake()
    for _ in range(300):
        one.put_ts(b"garbage " * 4096, stage.clock.now())
        stage.clock.advance(0.1)
    assert one.held_bytes <= 3 * 10 * 32_768
    assert stage.points == []
