from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from tests.support.encoders import VIDEO
from tests.support.judge import judge
from tests.support.media import CELLS, MediaCache, Recipe, flash_frames, number_bits, read_number

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def painted(bits: list[int]) -> NDArray[np.uint8]:
    plane = np.full((180, 320), 16, np.uint8)
    for index, bit in enumerate(bits):
        plane[:30, index * 16 : (index + 1) * 16] = 235 if bit else 16
    return plane


@pytest.mark.parametrize("number", [0, 1, 2, 15, 16, 255, 4096, 65535])
def test_a_painted_number_is_read_back(number: int) -> None:
    assert read_number(painted(number_bits(number))) == number


@pytest.mark.parametrize("bit", range(CELLS))
def test_a_wrong_square_makes_the_number_unreadable(bit: int) -> None:
    bits = number_bits(1234)
    bits[bit] ^= 1
    assert read_number(painted(bits)) is None


def test_a_grey_picture_carries_no_number() -> None:
    assert read_number(np.full((180, 320), 128, np.uint8)) is None


def test_flashes_stand_on_the_first_frame_of_each_second() -> None:
    assert flash_frames(Recipe(seconds=3, fps=Fraction(25))) == [25, 50]
    assert flash_frames(Recipe(seconds=3, fps=Fraction(30000, 1001))) == [30, 60]
    assert flash_frames(Recipe(seconds=3, fps=Fraction(25, 2))) == [13, 25]


@pytest.mark.parametrize(
    ("bframes", "reordered"), [pytest.param(0, False, id="none"), pytest.param(2, True, id="two")]
)
def test_b_frames_are_made_as_asked(media: MediaCache, bframes: int, reordered: bool) -> None:
    made = media(Recipe(seconds=2, bframes=bframes))
    with av.open(str(made.path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert (times != sorted(times)) is reordered


def test_key_frames_stand_where_asked(media: MediaCache) -> None:
    made = media(Recipe(seconds=4, gop=50, container="flv"))
    with av.open(str(made.path)) as container:
        keys = [i for i, p in enumerate(container.demux(video=0)) if p.is_keyframe and p.size]
    assert keys == [0, 50]


@pytest.mark.parametrize("codec", sorted(VIDEO))
def test_every_codec_has_its_key_frames_where_asked(media: MediaCache, codec: str) -> None:
    made = media(Recipe(seconds=2, gop=20, video_codec=codec, container="mkv"))
    with av.open(str(made.path)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
        keys = [i for i, p in enumerate(container.demux(video=0)) if p.is_keyframe and p.size]
    assert keys == [0, 20, 40]


def test_a_varying_rate_shows_each_picture_as_long_as_asked(media: MediaCache) -> None:
    recipe = Recipe(seconds=2, fps=Fraction(30), steps=(1, 3, 2))
    with av.open(str(media(recipe).path)) as container:
        times = sorted(p.pts * p.time_base for p in container.demux(video=0) if p.pts is not None)
    shown = [round((after - before) * 30) for before, after in pairwise(times)]
    assert shown[:6] == [1, 3, 2, 1, 3, 2]
    assert len(times) == recipe.frames == 30
    assert [recipe.tick(number) for number in range(5)] == [0, 1, 4, 6, 7]


def test_a_wanted_rate_is_reached(media: MediaCache) -> None:
    made = media(Recipe(seconds=3, video_kbps=1000, audio=False, container="flv"))
    assert made.path.stat().st_size * 8 / 3 / 1000 == pytest.approx(1000, rel=0.15)


def test_equal_recipes_are_made_once(media: MediaCache) -> None:
    first = media(Recipe(seconds=2))
    stamp = first.path.stat().st_mtime_ns
    assert media(Recipe(seconds=2)).path.stat().st_mtime_ns == stamp


def test_a_copy_has_no_sound_before_its_first_picture(media: MediaCache) -> None:
    copy = media.repack(media(Recipe(seconds=2, bframes=2)).path, "flv")
    with av.open(str(copy)) as container:
        first: dict[str, Fraction] = {}
        for packet in container.demux():
            if packet.pts is not None:
                first.setdefault(packet.stream.type, packet.pts * Fraction(packet.time_base))
    assert first["audio"] >= first["video"]
    assert judge(copy).decode_errors == []


def test_encoders_leave_the_priority_of_tests_alone(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    MediaCache(tmp_path)(Recipe(seconds=0.5, video_codec="av1", audio=False, container="mkv"))
    assert os.sched_getscheduler(0) == before
