"""The judge is judged: clean media is clean, each planted fault is found."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.support.encoders import AUDIO, VIDEO
from tests.support.judge import judge, run_ends, unevenness
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from tests.support.judge import Verdict


def spoil(data: bytes, start: int, length: int) -> bytes:
    return (
        data[:start]
        + bytes(byte ^ 0x5A for byte in data[start : start + length])
        + data[start + length :]
    )


def assert_clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == verdict.unreadable == 0
    assert verdict.restarts == verdict.video_gaps == verdict.audio_gaps == []


@pytest.mark.parametrize("container", ["mp4", "flv", "ts"])
@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize(
    ("fps", "sample_rate"),
    [(Fraction(25), 48_000), (Fraction(30000, 1001), 44_100), (Fraction(25, 2), 48_000)],
)
def test_good_media_is_clean(
    media: MediaCache, container: str, bframes: int, fps: Fraction, sample_rate: int
) -> None:
    recipe = Recipe(
        seconds=4, container=container, bframes=bframes, fps=fps, sample_rate=sample_rate
    )
    verdict = judge(media(recipe).path)
    assert_clean(verdict)
    assert verdict.codecs == ("h264", "aac")
    assert verdict.numbers == list(range(recipe.frames))
    assert verdict.starts_with_key
    assert verdict.duration_s == pytest.approx(4, abs=0.1)
    assert len(verdict.offsets_ms) == 3
    assert verdict.worst_offset_ms < 3


@pytest.mark.parametrize("codec", sorted(VIDEO))
def test_pictures_of_every_codec_are_judged(media: MediaCache, codec: str) -> None:
    recipe = Recipe(seconds=3, video_codec=codec, bframes=2 if codec in ("h264", "hevc") else 0)
    verdict = judge(media(recipe).path)
    assert_clean(verdict)
    assert verdict.codecs == (codec, "aac")
    assert verdict.numbers == list(range(75))
    assert verdict.worst_offset_ms < 3


@pytest.mark.parametrize("codec", sorted(AUDIO))
def test_sound_of_every_codec_is_judged(media: MediaCache, codec: str) -> None:
    verdict = judge(media(Recipe(seconds=3, audio_codec=codec, container="mkv")).path)
    assert_clean(verdict)
    assert verdict.codecs == ("h264", codec)
    assert len(verdict.offsets_ms) == 2
    assert verdict.worst_offset_ms < 3


def test_a_varying_rate_is_even_by_its_recipe_only(media: MediaCache) -> None:
    recipe = Recipe(seconds=3, fps=Fraction(30), steps=(1, 2, 5), bframes=2)
    verdict = judge(media(recipe).path)
    assert verdict.missing == 0
    assert unevenness(verdict, recipe) < 0.001
    assert unevenness(verdict, Recipe(seconds=3, fps=Fraction(30))) > 0.5


def test_sound_alone_is_clean(media: MediaCache) -> None:
    verdict = judge(media(Recipe(seconds=2, video=False, container="ts")).path)
    assert_clean(verdict)
    assert verdict.codecs == ("aac",)


def test_a_recording_is_judged_from_memory(media: MediaCache) -> None:
    verdict = judge(media(Recipe(seconds=2, container="ts")).path.read_bytes())
    assert verdict.frames == 50


@pytest.mark.parametrize("shift_s", [0.12, 0.3])
def test_late_sound_is_measured(media: MediaCache, shift_s: float) -> None:
    verdict = judge(media(Recipe(seconds=4, audio_shift_s=shift_s)).path)
    assert verdict.offset_ms == pytest.approx(shift_s * 1000, abs=3)


def test_dropped_pictures_are_counted(media: MediaCache) -> None:
    verdict = judge(media(Recipe(seconds=4, drop_frames=(40, 41, 60))).path)
    assert verdict.missing == 3
    assert len(verdict.video_gaps) == 2


def test_spoilt_bytes_are_decode_errors(media: MediaCache) -> None:
    data = media(Recipe(seconds=4, container="ts", video_kbps=800)).path.read_bytes()
    verdict = judge(spoil(data, len(data) // 2, 3000))
    assert verdict.decode_errors


def test_joined_recordings_show_where_the_count_restarts(media: MediaCache) -> None:
    data = media(Recipe(seconds=2, container="ts")).path.read_bytes()
    verdict = judge(data + data)
    assert verdict.dts_disorder > 0


def test_what_is_no_media_is_an_error() -> None:
    assert judge(b"this is not media" * 100).decode_errors


def test_a_run_ends_in_decode_order_but_its_middle_is_whole() -> None:
    assert run_ends([0, 1, 2, 3, 4, 5, 6, 8, 0, 1, 2, 3, 4, 5]) == {3, 4, 5, 6, 9, 10, 11, 12}
