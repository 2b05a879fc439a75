from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.handover import EARLY_S, Early
from streamctl.engine.interlude import PICTURE_S
from streamctl.engine.services import TRUNK
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.continuity import Continuity
from streamctl.media.mpegts.demux import TsDemuxer
from streamctl.media.packet import TIMESCALE, Format, Kind, Packet
from tests.streamctl.engine.studio import Studio, at_work, entry
from tests.streamctl.engine.test_intake import TransportStage, keep_ts
from tests.streamctl.engine.ts_world import Keeper, pieces
from tests.support.broadcast import Broadcast, broadcast
from tests.support.ts_damage import packets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.engine.intake import Intake
    from tests.support.media import MediaCache

MUCH = Broadcast(
    seconds=4, private=False, own_pcr=False, start=TIMESCALE, frames_per_pes=16, sound_late_s=0.2
)
"""A third of a second of sound in each PES packet."""
KBPS = 600


class Pair(TransportStage):
    """Two inputs at the same time."""

    def feed_both(self, one: Intake, mine: bytes, two: Intake, theirs: bytes) -> None:
        """In real time, as datagrams."""
        for ours, others in zip(pieces(mine, 1316), pieces(theirs, 1316), strict=True):
            one.put_ts(ours, self.clock.now())
            two.put_ts(others, self.clock.now())
            self.clock.advance(len(ours) * 8 / KBPS / 1000)


def cut(first: bytes, second: bytes, packets: int) -> tuple[Keeper, Keeper]:
    """What is written when one input breaks off after so many packets, and which follows."""
    stage = Pair()
    keeper, recorder = keep_ts(stage), stage.recorder()
    one, two = stage.intake(), stage.intake()
    one.go_live("first")
    size = packets * 188
    stage.feed_both(one, first[:size], two, second[:size])
    two.go_live("the first is gone")
    stage.feed(two, second[size:], KBPS)
    stage.clock.advance(0.1)
    return keeper, recorder


def sounds(data: bytes) -> Mapping[int, Sequence[Packet]]:
    """The frames of sound of each track."""
    found: dict[int, list[Packet]] = {}
    demuxer = TsDemuxer()
    for item in [*demuxer.feed(data), *demuxer.flush()]:
        if isinstance(item, Packet) and item.kind is Kind.AUDIO:
            found.setdefault(item.track, []).append(item)
    return found


@pytest.mark.parametrize("part", [0.5, 0.62, 0.71, 0.83])
@pytest.mark.parametrize("audio", ["aac", "mp2", "ac3"])
def test_sound_goes_on_with_the_next_frame_of_another_input(
    media: MediaCache, audio: str, part: float
) -> None:
    first = broadcast(media, replace(MUCH, audio=audio)).data
    second = broadcast(media, replace(MUCH, audio=audio, start=77 * TIMESCALE, gop=10)).data
    data = cut(first, second, round(part * len(first) / 188))[0].data
    tracks = sounds(data)
    assert len(tracks) == 2
    for frames in tracks.values():
        length = frames[0].dur
        holes = [after.pts - before.pts - before.dur for before, after in pairwise(frames)]
        assert min(holes) >= -45
        # What was never sent of the first input is missing, and of the second nothing is.
        assert max(holes) <= length
        assert sum(hole > 45 for hole in holes) <= 1
    counters = Continuity()
    counters.take(ArrayBatch(data), data)
    assert not counters.lost


def test_what_was_sent_in_part_is_sent_again_whole(media: MediaCache) -> None:
    sent = replace(MUCH, languages=("eng",))
    first = broadcast(media, sent).data
    second = broadcast(media, replace(sent, start=77 * TIMESCALE, gop=10)).data
    half = len(first) // 376
    for count in range(half, half + 20):
        written, made = cut(first, second, count)
        (frames,) = sounds(written.data).values()
        taken = [packet for packet in made.packets if packet.kind is Kind.AUDIO]
        assert [one.data for one in taken] == [one.data for one in frames[: len(taken)]]
        for lane in (frames, taken):
            holes = [after.pts - before.pts - before.dur for before, after in pairwise(lane)]
            assert -45 <= min(holes) <= max(holes) <= frames[0].dur


def test_sound_goes_on_behind_that_of_another_codec(media: MediaCache) -> None:
    plain = replace(MUCH, languages=("eng",))
    other = replace(plain, audio="mp2", start=50 * TIMESCALE)
    first, second, third = (
        broadcast(media, one).data for one in (plain, other, replace(plain, start=77 * TIMESCALE))
    )
    stage = Pair()
    recorder = stage.recorder()
    one, two, three = (stage.intake() for _ in range(3))
    one.go_live("first")
    stage.feed(one, first, KBPS)
    two.go_live("a moment of another codec")
    size = len(third) // 1316 // 2 * 1316
    stage.feed_both(two, second[:size], three, third[:size])
    three.go_live("the codec of before")
    stage.feed(three, third[size:], KBPS)
    stage.clock.advance(0.1)
    found = [packet.dts for packet in recorder.packets if packet.kind is Kind.AUDIO]
    assert found == sorted(set(found))


def test_who_joins_after_the_cut_counts_no_loss(media: MediaCache) -> None:
    first = broadcast(media, MUCH).data
    second = broadcast(media, replace(MUCH, start=77 * TIMESCALE, gop=10)).data
    since = cut(first, second, len(first) // 376)[0].since(2)
    counters = Continuity()
    counters.take(ArrayBatch(since), since)
    assert not counters.lost


def pictures(data: bytes) -> list[bytes]:
    """The access units of video, but for the last one."""
    found = TsDemuxer().feed(data)
    return [one.data for one in found if isinstance(one, Packet) and one.kind is not Kind.AUDIO]


def test_who_waits_for_the_end_of_a_picture_leaves_no_torn_one_behind(media: MediaCache) -> None:
    sent = replace(MUCH, video_kbps=1500, languages=("eng",))
    first, second = (
        broadcast(media, one).data for one in (sent, replace(sent, start=77 * TIMESCALE, gop=10))
    )
    for begun in (1200, 1203, 1207):
        stage = Pair()
        keeper = keep_ts(stage)
        one, two = stage.intake(), stage.intake()
        one.go_live("first")
        size = begun * 188
        stage.feed_both(one, first[:size], two, second[:size])
        assert one.epoch is not None
        one.epoch.between_pictures(partial(change, one, two))
        for at in range(size, size + 300 * 188, 188):
            stage.feed_both(one, first[at : at + 188], two, second[at : at + 188])
        stage.clock.advance(0.1)
        assert one.epoch is None
        assert {*pictures(keeper.data)} <= {*pictures(first), *pictures(second)}


def change(one: Intake, two: Intake) -> None:
    two.go_live("a wish")
    one.hold()


@pytest.mark.anyio
async def test_a_wish_between_transport_streams_tears_no_picture(media: MediaCache) -> None:
    sent = replace(MUCH, video_kbps=1500, languages=("eng",))
    first, second = (
        broadcast(media, one).data for one in (sent, replace(sent, start=77 * TIMESCALE, gop=10))
    )
    studio = Studio(entry("publish:"), entry("publish:"))
    keeper, graph = Keeper(), studio.news.graph
    graph.specs = {**graph.specs, TRUNK.target: TRUNK}
    graph.attach(Format.MPEGTS, keeper)
    async with at_work(studio):
        grants = [studio.wish(port) for port in (1, 2)]
        sessions = [studio.gate.open(one, list[str]().append) for one in grants]  # type: ignore[arg-type]
        one, two = (studio.gate.publish(*each) for each in zip(grants, sessions, strict=True))  # type: ignore[arg-type]
        size = 188 * 1100
        for place, (mine, theirs) in enumerate(
            zip(pieces(first[:size], 188), pieces(second[:size], 188), strict=True)
        ):
            one.put_ts(mine, studio.clock.now())
            two.put_ts(theirs, studio.clock.now())
            studio.clock.advance(0.001)
            if place == 600:
                assert studio.on_air == 0
                studio.news.inputs.switch(1)
        assert studio.on_air == 1
        studio.clock.advance(0.1)
    assert len(keeper.boundaries) == 2
    assert {*pictures(keeper.data)} <= {*pictures(first), *pictures(second)}
    taken = [one for one in studio.keeper.packets if one.kind is not Kind.AUDIO and one.epoch == 1]
    assert len(taken) == 1 + len(pictures(keeper.since(1))), "the last one is whole"


def test_an_epoch_goes_on_where_nobody_ended_it_between_two_pictures(media: MediaCache) -> None:
    data = broadcast(media, MUCH).data
    written = []
    for asked in (False, True):
        stage = TransportStage()
        keeper = keep_ts(stage)
        one = stage.intake()
        epoch = one.go_live("first")
        calls: list[None] = []
        for piece in pieces(data, 1316):
            one.put_ts(piece, stage.clock.now())
            stage.clock.advance(len(piece) * 8 / KBPS / 1000)
            if asked:
                epoch.between_pictures(partial(calls.append, None))
        stage.clock.advance(1)
        assert bool(calls) is asked
        written.append(keeper.data)
    assert written[0] == written[1]


def test_the_end_of_a_picture_is_not_waited_for_without_end(media: MediaCache) -> None:
    data = broadcast(media, MUCH).data
    stage = TransportStage()
    one = stage.intake()
    calls: list[str] = []
    epoch = one.go_live("first")
    epoch.between_pictures(lambda: calls.append("nothing is written"))
    assert calls == ["nothing is written"]
    stage.feed(one, data[: 188 * 1000], KBPS)
    epoch.between_pictures(lambda: calls.append("nothing comes"))
    assert len(calls) == 1
    stage.clock.advance(PICTURE_S)
    assert calls[1:] == ["nothing comes"]
    epoch.between_pictures(lambda: calls.append("it ended"))
    epoch.end()
    assert len(calls) == 2
    stage.clock.advance(0.01)
    assert calls[2:] == ["it ended"]
    epoch.between_pictures(lambda: calls.append("it has ended"))
    assert calls[3:] == ["it has ended"]


@pytest.mark.parametrize("skipped", range(60, 160, 20))
def test_what_nothing_came_before_passes_as_it_is(media: MediaCache, skipped: int) -> None:
    data = broadcast(media, replace(MUCH, gop=10, languages=("eng",))).data
    stage = TransportStage()
    keeper = keep_ts(stage)
    one = stage.intake()
    one.go_live("from somewhere inside")
    stage.feed(one, data[188 * skipped :], KBPS)
    sent = {packet[4:] for packet in packets(data)}
    taken = [one for one in packets(keeper.data) if one[1] & 0x5F and not one[1] & 0x40]
    assert {one[4:] for one in taken} <= sent


def test_what_is_too_old_is_not_kept() -> None:
    early = Early()
    early.keep(b"old", 0.0)
    early.keep(b"new", EARLY_S + 0.1)
    assert (early.bytes, early.take(), early.take(), early.bytes) == (3, b"new", b"", 0)
