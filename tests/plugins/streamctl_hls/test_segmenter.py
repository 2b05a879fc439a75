from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.packet import TIMESCALE, Boundary, Chunk, InitChange, Item, Skipped
from streamctl_hls.segmenter import Cut, Rule, Segmenter, cut, limit_ticks, target_duration
from tests.plugins.streamctl_hls.chunks import (
    AUDIO_ONLY,
    AV,
    FRAME,
    JOIN,
    PAT,
    PMT,
    boundary,
    change,
    picture,
    pictures,
    sound,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl_hls.segment import Segment

WALL = 1_700_000_000.0
S = TIMESCALE


def run(segmenter: Segmenter, items: Iterable[Item], wall: float = WALL) -> list[Segment]:
    """Feed items one by one, as time goes on."""
    done = []
    for item in items:
        moment = wall + item.start / S if isinstance(item, Chunk) else wall
        done += segmenter.feed([item], moment)
    return done


def durations(segments: Iterable[Segment]) -> list[float]:
    return [round(segment.duration, 4) for segment in segments]


@pytest.mark.parametrize(
    ("elapsed", "rap", "decision"),
    [
        (0, True, Cut.HOLD),
        (2 * S - 1801, True, Cut.HOLD),
        (2 * S - 1800, True, Cut.AT_RAP),
        (2 * S, True, Cut.AT_RAP),
        (2 * S, False, Cut.HOLD),
        (3 * S + S // 2 - 1, False, Cut.HOLD),
        (3 * S + S // 2 - 1, True, Cut.AT_RAP),
        (3 * S + S // 2, False, Cut.BY_FORCE),
        (3 * S + S // 2, True, Cut.BY_FORCE),
        (-5, True, Cut.HOLD),
    ],
)
def test_a_cut_waits_for_a_keyframe_but_not_beyond_the_limit(
    elapsed: int, rap: bool, decision: Cut
) -> None:
    assert cut(elapsed, Rule(2 * S - 1800, limit_ticks(3)), rap=rap) is decision


@pytest.mark.parametrize(
    ("segment_s", "first_s", "target"),
    [
        (2, 2.0, 2),
        (2, 2.002, 2),
        (2, 2.09, 2),
        (2, 2.2, 3),
        (2, 3.0, 3),
        (2, 9.6, 10),
        (0.5, 0.5, 1),
        (1.5, 1.5, 2),
        (6, 6.0, 6),
        (6, 5.99, 6),
    ],
)
def test_the_target_duration_covers_the_first_segment(
    segment_s: float, first_s: float, target: int
) -> None:
    assert target_duration(segment_s, round(first_s * S)) == target
    assert round(first_s) <= target


def test_segments_end_at_the_first_keyframe_past_their_age() -> None:
    segmenter = Segmenter(2.0, 7)
    segments = run(segmenter, pictures(400, 40))
    assert durations(segments) == [3.2] * 4
    assert [segment.number for segment in segments] == [7, 8, 9, 10]
    assert segmenter.target_s == 4
    assert all(segment.parts[0].startswith(PAT + PMT) for segment in segments)
    assert not any(segment.discontinuity for segment in segments)


def test_a_keyframe_a_millisecond_early_still_ends_a_segment() -> None:
    raps = [round(n * 2 * S) + (90 if n % 2 else -90) for n in range(1, 8)]
    items = [picture(0, rap=True)]
    for at in raps:
        items += [picture(at - S), picture(at, rap=True)]
    segments = run(Segmenter(2.0, 0), items)
    assert len(segments) == 7
    assert all(1.99 < segment.duration < 2.01 for segment in segments)


def test_everything_before_the_first_keyframe_is_dropped() -> None:
    segmenter = Segmenter(2.0, 0)
    items: list[Item] = [boundary(1), sound(0), picture(0), *pictures(60, 50, start=FRAME)]
    [segment] = run(segmenter, items)
    assert segment.start == FRAME
    assert segment.parts[0] == PAT + PMT + JOIN
    assert segment.parts[1].startswith(PAT + PMT)


def test_a_segment_shares_the_bytes_of_its_chunks() -> None:
    chunks = list(pictures(51, 50))
    [segment] = run(Segmenter(2.0, 0), chunks)
    assert all(part is chunk.data for part, chunk in zip(segment.parts, chunks, strict=False))
    assert segment.size == sum(map(len, segment.parts))


@pytest.mark.parametrize(
    ("rate", "samples"),
    [((30000, 1001), (44100, 1024)), ((25, 1), (48000, 1024)), ((24000, 1001), (44100, 1024))],
)
def test_durations_add_up_to_media_time_for_hours(
    rate: tuple[int, int], samples: tuple[int, int]
) -> None:
    fps, gop = rate[0] / rate[1], round(2 * rate[0] / rate[1])
    segmenter = Segmenter(2.0, 0)
    segments: list[Segment] = []
    audio = 0
    frames = gop * 900 + 1
    for n in range(frames):
        start = round(n * S * rate[1] / rate[0])
        end = round((n + 1) * S * rate[1] / rate[0])
        batch: list[Item] = [Chunk(b"v", start, end, n % gop == 0, True, 1)]
        while audio * samples[1] * S // samples[0] < end:
            at = round(audio * samples[1] * S / samples[0])
            batch.append(Chunk(b"a", at, at, False, False, 1))
            audio += 1
        segments += segmenter.feed(batch, WALL + start / S)
    assert len(segments) == 900
    total = sum(round(segment.duration, 6) for segment in segments)
    assert abs(total - (frames - 1) / fps) < 0.001
    last = segments[-1]
    assert abs(last.wall - (segments[0].wall + last.start / S)) < 0.001


@pytest.mark.parametrize("wraps", [1, 2])
def test_segments_and_dates_go_on_where_the_counters_of_mpegts_wrap(wraps: int) -> None:
    start = (wraps << 33) - 10 * S
    found = run(Segmenter(2, 0), [boundary(1), *pictures(500, 25, start=start)])
    assert durations(found) == [2.0] * 9
    assert [segment.start for segment in found] == [start + n * 2 * S for n in range(9)]
    assert [round(segment.wall - WALL - start / S) for segment in found] == list(range(0, 18, 2))
    assert not any(segment.discontinuity for segment in found)


def test_audio_only_streams_end_segments_at_audio() -> None:
    segmenter = Segmenter(2.0, 0)
    step, last_rap = 1024 * S / 44100, -S
    items: list[Item] = [boundary(1, AUDIO_ONLY)]
    for n in range(2000):
        at = round(n * step)
        rap = at - last_rap >= S // 2
        last_rap = at if rap else last_rap
        items.append(Chunk(PAT + PMT if rap else b"a", at, round(at + step), rap, True, 1))
    segments = run(segmenter, items)
    assert len(segments) >= 20
    assert segmenter.target_s == 2
    assert segmenter.forced_cuts == 0
    assert all(2.0 <= segment.duration < 2.1 for segment in segments)


def test_a_boundary_ends_the_segment_after_its_last_picture() -> None:
    segmenter = Segmenter(2.0, 0)
    items: list[Item] = [
        *pictures(85, 50),
        boundary(2),
        *pictures(60, 50, start=1_000_000, epoch=2),
    ]
    segments = run(segmenter, items)
    assert durations(segments) == [2.0, 1.4, 2.0]
    assert [segment.discontinuity for segment in segments] == [False, False, True]


def heard(segments: Iterable[Segment]) -> list[list[int]]:
    """Which of the sounds at full half seconds each segment has."""
    bodies = [b"".join(one.parts) for one in segments]
    return [[n for n in range(20) if b"audio %d\xff" % (n * S // 2) in body] for body in bodies]


def test_sound_that_comes_late_stays_with_its_pictures_across_a_cut() -> None:
    items: list[Item] = [
        boundary(1),
        *pictures(50, 50),
        *(sound(n * S // 2) for n in range(3)),
        boundary(2),
        *(sound(n * S // 2, epoch=2) for n in range(3, 5)),
        *pictures(51, 50, start=2 * S + S // 2, epoch=2),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert durations(segments) == [2.0, 2.0]
    assert heard(segments) == [[0, 1, 2, 3], []]
    assert [segment.discontinuity for segment in segments] == [False, True]


def test_sound_of_another_kind_is_not_added_to_what_was() -> None:
    other = (AV[0], replace(AV[1], config=b"\x12\x10", sample_rate=44_100))
    items: list[Item] = [
        boundary(1),
        *pictures(50, 50),
        boundary(2, other),
        sound(S // 2 * 3, epoch=2),
        *pictures(51, 50, start=2 * S, epoch=2),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert heard(segments) == [[], []]
    assert [segment.discontinuity for segment in segments] == [False, True]


def test_an_epoch_that_brings_sound_alone_makes_no_discontinuity_of_its_own() -> None:
    items: list[Item] = [
        boundary(1),
        *pictures(40, 50),
        boundary(2),
        sound(S, epoch=2),
        boundary(3),
        sound(S // 2 * 3, epoch=3),
        *pictures(51, 50, start=3 * S, epoch=3),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert heard(segments) == [[2], []]
    assert [segment.discontinuity for segment in segments] == [False, True]


def test_the_last_picture_of_unknown_duration_gets_the_mean() -> None:
    chunks = [replace(chunk, end=chunk.start) for chunk in pictures(85, 50)]
    segments = run(Segmenter(2.0, 0), [*chunks, boundary(2)])
    assert durations(segments) == [2.0, 1.4]


def test_a_lone_picture_of_unknown_duration_makes_a_segment_that_is_not_empty() -> None:
    [segment] = run(Segmenter(2.0, 0), [picture(0, rap=True, dur=0), boundary(2)])
    assert segment.end > segment.start


def test_two_epochs_without_output_make_one_discontinuity() -> None:
    items: list[Item] = [
        *pictures(60, 50),
        boundary(2),
        sound(700_000, epoch=2),
        boundary(3),
        *pictures(120, 50, start=800_000, epoch=3),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert [segment.discontinuity for segment in segments] == [False, False, True, False]


def test_the_first_epochs_make_no_discontinuity() -> None:
    segments = run(Segmenter(2.0, 0), [boundary(1), boundary(2), *pictures(60, 50)])
    assert [segment.discontinuity for segment in segments] == [False]


def test_lost_items_make_a_discontinuity_that_starts_like_a_join() -> None:
    items: list[Item] = [*pictures(60, 50), Skipped(100), *pictures(60, 50, start=900_000)]
    segments = run(Segmenter(2.0, 0), items)
    assert [segment.discontinuity for segment in segments] == [False, False, True]
    assert segments[2].parts[0] == PAT + PMT + JOIN


def test_new_tracks_cut_at_the_next_keyframe_with_a_discontinuity() -> None:
    other = (replace(AV[0], config=b"\x01B\xc0\x1e"), AV[1])
    items: list[Item] = [
        boundary(1),
        *pictures(60, 50),
        change(other),
        *pictures(60, 50, start=60 * FRAME),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert durations(segments) == [2.0, 0.4, 2.0]
    assert [segment.discontinuity for segment in segments] == [False, False, True]


def test_a_change_that_decoders_do_not_see_changes_nothing() -> None:
    other = (replace(AV[0], bitrate=1), replace(AV[1], language="eng"))
    items: list[Item] = [
        boundary(1),
        *pictures(60, 50),
        change(other),
        *pictures(45, 40, start=60 * FRAME),
    ]
    segments = run(Segmenter(2.0, 0), items)
    assert not any(segment.discontinuity for segment in segments)


def test_a_change_before_the_first_keyframe_is_no_discontinuity() -> None:
    items: list[Item] = [boundary(1, AUDIO_ONLY), change(AV), *pictures(110, 50)]
    segments = run(Segmenter(2.0, 0), items)
    assert durations(segments) == [2.0, 2.0]
    assert not any(segment.discontinuity for segment in segments)


def test_longer_groups_of_pictures_are_cut_by_force_at_the_target_duration() -> None:
    segmenter = Segmenter(2.0, 0)
    items = [*pictures(50, 50), *pictures(376, 125, start=50 * FRAME)]
    segments = run(segmenter, items)
    assert durations(segments) == [2.0, 2.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0, 2.0, 1.0]
    assert [s.independent for s in segments[:5]] == [True, True, False, False, True]
    assert segmenter.target_s == 2
    assert segmenter.forced_cuts == 6
    assert segments[2].parts[0] == PAT + PMT
    assert segments[3].parts[0] == PAT + PMT
    assert sum(s.duration for s in segments) == 425 / 25
    assert all(segment.size == sum(map(len, segment.parts)) for segment in segments)
    assert not any(segment.discontinuity for segment in segments)


def test_an_early_keyframe_is_a_better_place_than_a_forced_cut() -> None:
    segmenter = Segmenter(2.0, 0)
    raps = {0, 75, 150, 189, 264, 339, 378}
    segments = run(segmenter, [picture(n * FRAME, rap=n in raps) for n in range(450)])
    assert durations(segments) == [3.0, 3.0, 1.56, 3.0, 3.0, 1.56]
    assert segmenter.forced_cuts == 0
    assert all(segment.independent for segment in segments)
    assert all(segment.parts[0].startswith(PAT + PMT) for segment in segments)
    assert all(segment.size == sum(map(len, segment.parts)) for segment in segments)


def test_a_keyframe_little_past_the_target_duration_needs_no_force() -> None:
    segmenter = Segmenter(2.0, 0)
    items = [*pictures(50, 50), *pictures(200, 61, start=50 * FRAME)]
    segments = run(segmenter, items)
    assert durations(segments) == [2.0, 2.44, 2.44, 2.44]
    assert segmenter.forced_cuts == 0


def test_a_forced_cut_never_tears_reordered_pictures_apart() -> None:
    segmenter = Segmenter(2.0, 0)
    run(segmenter, pictures(51, 50))
    order = [50 + n for g in range(0, 150, 3) for n in (g + 3, g + 1, g + 2)]
    segments = run(segmenter, [picture(n * FRAME) for n in order])
    assert segmenter.forced_cuts == len(segments) == 2
    for segment in segments:
        shown = [int(part[10:20].strip(b"\xff")) for part in segment.parts if part[4:9] == b"video"]
        assert all(segment.start <= at < segment.end for at in shown)
        assert 1.8 < segment.duration <= 2.0


def test_an_endless_first_group_of_pictures_is_cut_after_ten_seconds() -> None:
    segmenter = Segmenter(2.0, 0)
    segments = run(segmenter, pictures(800, 10_000))
    assert durations(segments) == [10.0, 10.0, 10.0]
    assert segmenter.target_s == 10


def test_long_segments_may_have_long_first_groups() -> None:
    segmenter = Segmenter(8.0, 0)
    segments = run(segmenter, pictures(800, 300))
    assert durations(segments) == [12.0, 12.0]
    assert segmenter.target_s == 12


def test_a_hole_beyond_the_limit_is_not_played_as_a_segment() -> None:
    segmenter = Segmenter(2.0, 0)
    items = [
        *pictures(60, 50),
        *pictures(60, 50, start=60 * FRAME + 5 * S),
    ]
    segments = run(segmenter, items)
    assert durations(segments) == [2.0, 0.4, 2.0]
    assert [segment.discontinuity for segment in segments] == [False, False, True]
    assert segmenter.forced_cuts == 0


def test_a_hole_that_ends_in_mid_group_starts_with_tables() -> None:
    segmenter = Segmenter(2.0, 0)
    items = [*pictures(60, 50), *(picture(60 * FRAME + 5 * S + n * FRAME) for n in range(70))]
    segments = run(segmenter, items)
    assert durations(segments) == [2.0, 0.4, 2.0]
    assert segments[2].discontinuity
    assert not segments[2].independent
    assert segments[2].parts[0] == PAT + PMT
    assert segments[2].size == sum(map(len, segments[2].parts))


def test_a_small_hole_belongs_to_the_segment_before_it() -> None:
    items = [*pictures(50, 50), *pictures(60, 50, start=50 * FRAME + S // 4)]
    segments = run(Segmenter(2.0, 0), items)
    assert durations(segments)[0] == 2.25


def test_history_is_dated_into_the_past() -> None:
    history: list[Item] = [boundary(1), *pictures(250, 50)]
    segments = Segmenter(2.0, 0).feed(history, WALL)
    assert [round(WALL - segment.wall, 2) for segment in segments] == [9.96, 7.96, 5.96, 3.96]


def test_an_epoch_keeps_its_anchor_and_the_next_gets_its_own() -> None:
    segmenter = Segmenter(2.0, 0)
    first = run(segmenter, pictures(101, 50))
    late = segmenter.feed(list(pictures(101, 50, start=101 * FRAME)), WALL + 60)
    assert late[-1].wall == pytest.approx(first[0].wall + late[-1].start / S)
    segmenter.feed([boundary(2)], WALL + 100)
    fresh = segmenter.feed(list(pictures(51, 50, start=900_000)), WALL + 200)
    assert fresh[0].wall == pytest.approx(WALL + 198)


def test_dates_never_go_back() -> None:
    segmenter = Segmenter(2.0, 0)
    before = run(segmenter, [*pictures(101, 50), boundary(2)])
    after = segmenter.feed(list(pictures(51, 50, start=900_000)), WALL - 1000)
    assert after[0].wall >= before[-1].wall + before[-1].duration - 1e-6


def test_discarding_lets_numbers_go_on() -> None:
    segmenter = Segmenter(2.0, 5)
    run(segmenter, pictures(80, 50))
    segmenter.discard()
    assert segmenter.open is None
    [segment] = run(segmenter, pictures(51, 50, start=9_000_000))
    assert segment.number == 6
    assert segment.discontinuity
    assert segmenter.target_s == 2


ITEM = st.one_of(
    st.builds(lambda step, rap: ("picture", step, rap), st.integers(0, 5 * S), st.booleans()),
    st.just(("boundary", 0, False)),
    st.just(("change", 0, False)),
    st.just(("sound", 100, False)),
)


@given(st.lists(ITEM, max_size=80), st.sampled_from([0.5, 2.0, 6.0]))
def test_whatever_comes_segments_are_in_order_and_within_the_target(
    script: list[tuple[str, int, bool]], segment_s: float
) -> None:
    segmenter = Segmenter(segment_s, 0)
    at, epoch, items = 0, 1, list[Item]()
    for name, step, rap in script:
        at += step
        epoch += name == "boundary"
        made: dict[str, Chunk | Boundary | InitChange] = {
            "picture": picture(at, rap=rap, epoch=epoch),
            "sound": sound(at, epoch=epoch),
            "boundary": boundary(epoch),
            "change": change(AV if at % 2 else AUDIO_ONLY),
        }
        items.append(made[name])
    segments = run(segmenter, items)
    assert [segment.number for segment in segments] == list(range(len(segments)))
    end = 0
    for segment in segments:
        assert segment.start < segment.end
        assert segment.start >= end or segment.discontinuity
        end = segment.end
        if segmenter.target_s:
            assert segment.duration < max(segmenter.target_s, 10) + 0.5
        assert segment.size == sum(map(len, segment.parts))
        assert any(part.startswith(PAT) for part in segment.parts[:2])
