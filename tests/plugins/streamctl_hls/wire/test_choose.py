"""Which variant, and which sound."""

from __future__ import annotations

import pytest

from streamctl_hls.wire.choose import (
    COOL_S,
    LAST_COOL_S,
    MAX_RENDITIONS,
    Cooling,
    Limits,
    ranked,
    sounds,
)
from streamctl_hls.wire.playlist import Multivariant, Rendition, Variant

LOW = Variant("low", 500_000, 640, 360, "avc1.4d401e,mp4a.40.2")
MIDDLE = Variant("middle", 1_500_000, 1280, 720, "avc1.4d401f,mp4a.40.2")
HIGH = Variant("high", 5_000_000, 1920, 1080, "avc1.640028,mp4a.40.2")
SOUND = Variant("sound", 64_000, codecs="mp4a.40.2")
DOLBY = Variant("dolby", 9_000_000, 1920, 1080, "dvh1.05.06,mp4a.40.2")


def order(*variants: Variant, **limits: int) -> list[str]:
    return [each.url for each in ranked(variants, Limits(**limits))]


def test_the_best_comes_first_and_sound_alone_behind_pictures() -> None:
    assert order(SOUND, LOW, HIGH, MIDDLE) == ["high", "middle", "low", "sound"]


def test_of_equals_the_last_one_is_taken() -> None:
    assert order(Variant("a", 5), Variant("b", 5)) == ["b", "a"]


def test_what_can_not_be_read_comes_last() -> None:
    assert order(DOLBY, LOW, HIGH)[-1] == "dolby"


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        ({"max_kbps": 2000}, ["middle", "low", "high"]),
        ({"height": 720}, ["middle", "low", "high"]),
        ({"height": 400}, ["low", "middle", "high"]),
        ({"max_kbps": 100}, ["low", "middle", "high"]),
        ({"max_kbps": 600, "height": 1080}, ["low", "middle", "high"]),
    ],
)
def test_limits_are_kept_as_far_as_possible(limits: dict[str, int], first: list[str]) -> None:
    assert order(HIGH, LOW, MIDDLE, **limits) == first


def test_a_list_without_pictures_is_ranked_by_bandwidth() -> None:
    assert order(SOUND, Variant("more", 128_000, codecs="mp4a.40.2")) == ["more", "sound"]


def test_sound_of_the_variants_group_is_fetched_besides() -> None:
    variant = Variant("v", 1, audio="s")
    english = Rendition("e", "s", "English", "en", False)
    german = Rendition("g", "s", "Deutsch", "de", True)
    inside = Rendition("", "s", "inside", "", False)
    other = Rendition("o", "t", "other", "", True)
    found = Multivariant((variant,), (english, german, inside, other))
    assert sounds(found, variant) == [german, english]
    assert sounds(found, LOW) == []


def test_a_rendition_that_is_the_variant_itself_is_inside_it() -> None:
    variant = Variant("v", 1, audio="s")
    found = Multivariant((variant,), (Rendition("v", "s", "all", "", True),))
    assert sounds(found, variant) == []


def test_renditions_have_a_limit() -> None:
    variant = Variant("v", 1, audio="s")
    many = tuple(Rendition(f"u{i}", "s", f"{i}", "", False) for i in range(40))
    assert len(sounds(Multivariant((variant,), many), variant)) == MAX_RENDITIONS


def test_what_failed_is_left_alone_longer_each_time() -> None:
    cooling = Cooling()
    now = 1000.0
    assert cooling.ready([HIGH, LOW], now) == [HIGH, LOW]
    for pause_s in (COOL_S, 2 * COOL_S, 4 * COOL_S):
        cooling.fail(HIGH, now)
        assert cooling.until(HIGH) == now + pause_s
        assert cooling.ready([HIGH, LOW], now + pause_s - 1) == [LOW]
        now += pause_s
        assert cooling.ready([HIGH, LOW], now) == [HIGH, LOW]
    for _ in range(20):
        cooling.fail(HIGH, now)
    assert cooling.until(HIGH) == now + LAST_COOL_S


def test_what_did_well_for_long_begins_anew() -> None:
    cooling = Cooling()
    cooling.fail(HIGH, 0.0)
    cooling.fail(HIGH, 100.0)
    now = cooling.until(HIGH) + LAST_COOL_S
    cooling.fail(HIGH, now)
    assert cooling.until(HIGH) == now + COOL_S
