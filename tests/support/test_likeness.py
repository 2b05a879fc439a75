"""Recordings are found in what was published, whatever repeats in it."""

from __future__ import annotations

import pytest

from tests.support.judge import judge
from tests.support.likeness import PACKED, behind_seams, compare, likeness_faults
from tests.support.media import MediaCache, Recipe

SILENCE = 0
ORIGINAL = [(n / 10, p) for n, p in enumerate([1, 2, *[SILENCE] * 6, 3, 4, *[SILENCE] * 6, 5])]


@pytest.mark.parametrize("start", range(16))
def test_a_part_is_found_wherever_it_begins(start: int) -> None:
    found = compare([(time + 7, print_) for time, print_ in ORIGINAL[start:]], ORIGINAL)
    assert (found.missing, found.foreign, found.matched) == (0, 0, len(ORIGINAL) - start)
    assert found.shift == pytest.approx(7)
    assert found.unevenness == pytest.approx(0)


@pytest.mark.parametrize("gone", [0, 3, 8, 12])
def test_a_lost_frame_is_missed(gone: int) -> None:
    part = [frame for place, frame in enumerate(ORIGINAL) if place != gone]
    assert compare(part, ORIGINAL).missing == (gone > 0)


def test_a_frame_of_somebody_else_is_foreign() -> None:
    assert compare([*ORIGINAL[:9], (0.85, 77), *ORIGINAL[9:]], ORIGINAL).foreign == 1


def test_nothing_but_silence_tells_nothing() -> None:
    silence = ORIGINAL[2:6]
    assert compare(silence, ORIGINAL).shifts == compare([], ORIGINAL).shifts == []


def test_times_behind_a_seam_do_not_count() -> None:
    original = [(0.1 * n + 0.05 * (n >= 5), n) for n in range(30)]
    packed = [(at - 0.05 * (n in {5, 6}), n) for at, n in original]
    loose = behind_seams(original, 0.0025)
    assert loose == set(range(5, 5 + PACKED))
    assert compare(packed, original).unevenness == pytest.approx(0.05)
    assert compare(packed, original, loose=loose).unevenness == pytest.approx(0)
    assert behind_seams(ORIGINAL, 0.0025) == set()


def test_a_copy_has_no_faults_and_a_late_sound_one(media: MediaCache) -> None:
    original = judge(media(Recipe(seconds=3, bframes=2)).path)
    copy = judge(media(Recipe(seconds=3, bframes=2, container="ts")).path)
    assert likeness_faults(copy, original, 0.0025, 0.04) == []
    copy.sound_prints = [(time + 0.1, print_) for time, print_ in copy.sound_prints]
    assert likeness_faults(copy, original, 0.0025, 0.04) == ["sound is +100 ms off"]
