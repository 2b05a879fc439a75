from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.handover import EARLY_S, Early
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.continuity import Continuity
from streamctl.media.mpegts.demux import TsDemuxer
from streamctl.media.packet import TIMESCALE, Kind, Packet
from tests.streamctl.engine.test_intake import TransportStage, keep_ts
from tests.streamctl.engine.ts_world import pieces
from tests.support.broadcast import Broadcast, broadcast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.media import MediaCache

MUCH = Broadcast(
    seconds=4, private=False, own_pcr=False, start=TIMESCALE, frames_per_pes=16, sound_late_s=0.2
)
"""A third of a second of sound in each PES packet."""
KBPS = 600


def cut(first: bytes, second: bytes, packets: int) -> tuple[bytes, bytes]:
    """What is written when one input breaks off after so many packets, and which follows."""
    stage = TransportStage()
    keeper = keep_ts(stage)
    one, two = stage.intake(), stage.intake()
    one.go_live("first")
    size = packets * 188
    for mine, theirs in zip(pieces(first[:size], 188), pieces(second[:size], 188), strict=False):
        now = stage.clock.now()
        one.put_ts(mine, now)
        two.put_ts(theirs, now)
        stage.clock.advance(188 * 8 / KBPS / 1000)
    two.go_live("the first is gone")
    stage.feed(two, second[size:], KBPS)
    stage.clock.advance(0.1)
    return keeper.data, keeper.since(2)


def sounds(data: bytes) -> Mapping[int, Sequence[Packet]]:
    """The frames of sound of each track."""
    found: dict[int, list[Packet]] = {}
    demuxer = TsDemuxer()
    for item in [*demuxer.feed(data), *demuxer.flush()]:
        if isinstance(item, Packet) and item.kind is Kind.AUDIO:
            found.setdefault(item.track, []).append(item)
    return found


@pytest.mark.parametrize("packets", [300, 431, 512, 601])
@pytest.mark.parametrize("audio", ["aac", "mp2", "ac3"])
def test_sound_goes_on_with_the_next_frame_of_another_input(
    media: MediaCache, audio: str, packets: int
) -> None:
    first = broadcast(media, replace(MUCH, audio=audio)).data
    second = broadcast(media, replace(MUCH, audio=audio, start=77 * TIMESCALE, gop=10)).data
    data, _ = cut(first, second, packets)
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
    for packets in range(300, 330):
        data, _ = cut(first, second, packets)
        (frames,) = sounds(data).values()
        holes = [after.pts - before.pts - before.dur for before, after in pairwise(frames)]
        assert -45 <= min(holes) <= max(holes) <= frames[0].dur


def test_who_joins_after_the_cut_counts_no_loss(media: MediaCache) -> None:
    first = broadcast(media, MUCH).data
    second = broadcast(media, replace(MUCH, start=77 * TIMESCALE, gop=10)).data
    _, since = cut(first, second, 431)
    counters = Continuity()
    counters.take(ArrayBatch(since), since)
    assert not counters.lost


def test_what_is_too_old_is_not_kept() -> None:
    early = Early()
    early.keep(b"old", 0.0)
    early.keep(b"new", EARLY_S + 0.1)
    assert (early.bytes, early.take(), early.take(), early.bytes) == (3, b"new", b"", 0)
