"""Each fault of a recording or a screen is named; what is right is not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.seen import Wanted, weigh, weigh_shown

RECIPE = Recipe(seconds=6, bframes=2)
WANTED = Wanted(("h264", "aac"), 6, 25, RECIPE)


def test_a_perfect_recording_has_no_faults(media: MediaCache) -> None:
    seen = weigh(judge(media(RECIPE).path), WANTED)
    assert seen.faults == []
    assert "150 frames, A/V -0 ms" in seen.summary or "A/V +0 ms" in seen.summary


@pytest.mark.parametrize(
    ("spoiled", "fault"),
    [
        (replace(RECIPE, drop_frames=(40, 41)), "2 frames are missing"),
        (replace(RECIPE, audio_shift_s=0.1), "sound is +100 ms off"),
        (replace(RECIPE, audio=False), "codecs are h264"),
        (replace(RECIPE, seconds=3), "only"),
        (replace(RECIPE, fps=Fraction(24)), "off their rhythm"),
    ],
)
def test_each_fault_is_named(media: MediaCache, spoiled: Recipe, fault: str) -> None:
    faults = weigh(judge(media(spoiled).path), WANTED).faults
    assert any(fault in line for line in faults), faults


def test_the_offset_of_the_published_file_is_no_fault(media: MediaCache) -> None:
    late = replace(RECIPE, audio_shift_s=0.1)
    wanted = replace(WANTED, recipe=late, offset_ms=100)
    assert weigh(judge(media(late).path), wanted).faults == []


def test_varying_rates_are_counted_by_their_steps() -> None:
    recipe = Recipe(fps=Fraction(30), steps=(1, 2, 1, 3, 1))
    assert replace(WANTED, recipe=recipe, fps=30).frames == 112


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        (list(range(100)), ""),
        (list(range(0, 150, 2)), ""),
        ([*range(60), 58, *range(60, 100)], "the picture went back 1 times"),
        (list(range(20)), "20 frames shown, 150 expected"),
        ([*range(80), None, *range(90, 100)], "1 of 91 shown frames are unreadable"),
        ([*range(80), 64, None, *range(90, 100)], "1 of 92 shown frames are unreadable"),
    ],
)
def test_a_screen_may_skip_pictures_but_not_go_back(numbers: list[int | None], fault: str) -> None:
    assert weigh_shown(numbers, WANTED) == ([fault] if fault else [])
