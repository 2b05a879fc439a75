from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.judge import Verdict
from tests.support.review import BLOCK, FRAME_S, Act, Review, broken, report
from tests.support.ts import TsReport

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 60
CUT_S = FRAMES * FRAME_S


def sound_review(gap_s: float = 0.4) -> Review:
    """One cut from source 1 to source 2, noticed at once, with as much missing as is allowed."""
    numbers = [BLOCK + number for number in range(FRAMES)]
    numbers += [2 * BLOCK + number for number in range(FRAMES)]
    times = [number * FRAME_S for number in range(FRAMES)]
    times += [CUT_S + gap_s + at for at in times]
    verdict = Verdict(numbers=numbers, times=times)
    verdict.pairs = [(1.0, 1.0), (CUT_S + gap_s + 1.0, 3.0)]
    act = Act("killed", 100.0, 1, 2, closed=100.1, decided=100.1, begun=100.11)
    push = {"name": "air", "state": "active", "connections": 1, "last_error": ""}
    return Review([act], 1, {"rtmp": verdict}, pushes=[push])


def test_what_is_as_promised_breaks_nothing() -> None:
    review = sound_review()
    assert broken(review) == []
    assert review.gaps("rtmp") == [0.4]
    assert review.shift_ms("rtmp") == 2
    assert "| rtmp | 0.40 | 0.00 | 2 | 0 | 0 |" in list(report(review))


def test_what_was_on_air_before_the_audience_came_is_not_judged() -> None:
    review = sound_review()
    verdict = review.seen["rtmp"]
    verdict.numbers.insert(0, 7 * BLOCK)
    verdict.times.insert(0, -9.0)
    assert broken(review) == []


def late_switch(review: Review) -> None:
    review.acts[0].begun += 0.2


def slow_to_go_on(review: Review) -> None:
    act = review.acts[0]
    act.wait_s = 0.1
    act.decided = act.begun = act.closed + 0.7


def wrong_source(review: Review) -> None:
    review.acts[0].source = 3


def missing_picture(review: Review) -> None:
    verdict = review.seen["rtmp"]
    del verdict.numbers[10], verdict.times[10]


def late_picture(review: Review) -> None:
    review.seen["rtmp"].times[10] += 0.03


def overlap(review: Review) -> None:
    review.seen["rtmp"].times[:FRAMES] = [at + 0.5 for at in review.seen["rtmp"].times[:FRAMES]]


def moved_sound(review: Review) -> None:
    at, offset = review.seen["rtmp"].pairs[1]
    review.seen["rtmp"].pairs[1] = at, offset + 40


def missing_sound(review: Review) -> None:
    review.seen["rtmp"].holes = [(CUT_S + 0.4, 1.0)]


def doubled_sound(review: Review) -> None:
    review.seen["rtmp"].holes = [(CUT_S, -0.1)]


def nobody_left(review: Review) -> None:
    review.farewells = {"rtsp": []}


def decode_error(review: Review) -> None:
    verdict = review.seen["rtmp"]
    verdict.decode_errors, verdict.spoiled = ["corrupt"], [1.0]


def disorder(review: Review) -> None:
    review.seen["rtmp"].disorder = [1.0]


def spoiled(review: Review) -> None:
    review.seen["rtmp"].unreadable = 1


def silence(review: Review) -> None:
    review.silences = {"http-ts": [(100.0, 0.7)]}


def push_again(review: Review) -> None:
    review.pushes[0]["connections"] = 2


def counters(review: Review) -> None:
    packets = TsReport(pids={256: 9}, continuity_errors=["PID 256"], announcements=[4])
    review.transport = {"udp": packets}


def signals(review: Review) -> None:
    packets = TsReport(pids={0: 1, 256: 9}, announcements=[2])
    review.transport = {"udp": packets}


def discontinuities(review: Review) -> None:
    review.seen["hls"] = review.seen["rtmp"]
    review.discontinuities = 2


def traceback(review: Review) -> None:
    review.log = "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (late_switch, "the switch took 210 ms"),
        (slow_to_go_on, "on air 0.70 s after it was noticed"),
        (wrong_source, "pictures of [1, 2], not of [1, 3]"),
        (missing_picture, "picture 11 follows 9 of source 1"),
        (late_picture, "0.070 s lie between two pictures"),
        (overlap, "pictures overlap by 0.100 s"),
        (moved_sound, "sound and picture moved by 42 ms"),
        (missing_sound, "1.00 s of sound are missing, 0.40 s of pictures"),
        (doubled_sound, "sound overlaps by 0.100 s"),
        (nobody_left, "rtsp: nobody was told"),
        (decode_error, "corrupt"),
        (disorder, "1 decode times are not in order"),
        (spoiled, "1 pictures are spoiled"),
        (silence, "nothing came over HTTP for 0.70 s"),
        (push_again, "push air: active after 2 connections"),
        (counters, "PID 256"),
        (signals, "udp: 0 cuts of 1 are signalled"),
        (discontinuities, "2 discontinuities at 1 cuts"),
        (traceback, "traceback"),
    ],
)
def test_every_broken_bound_is_named(fault: Callable[[Review], None], words: str) -> None:
    review = sound_review()
    fault(review)
    assert words in "; ".join(broken(review))


def test_a_gap_is_too_long_when_it_passes_the_time_until_the_fault_was_noticed() -> None:
    assert broken(sound_review(0.59)) == []
    assert "0.61 s are missing" in "; ".join(broken(sound_review(0.61)))


def test_a_busy_machine_takes_time_but_excuses_nothing_else() -> None:
    review = sound_review(0.9)
    late_switch(review)
    disorder(review)
    assert broken(review, 0.5) == ["rtmp: 1 decode times are not in order"]


def test_noise_may_spoil_the_last_picture_before_a_cut_and_no_other() -> None:
    review = sound_review()
    review.acts[0].spoils = True
    verdict = review.seen["rtmp"]
    verdict.decode_errors, verdict.unreadable = ["corrupt"], 1
    verdict.spoiled = [CUT_S - FRAME_S]
    assert broken(review) == []
    verdict.spoiled.append(1.0)
    assert broken(review) == ["rtmp: corrupt"]
