"""Times that mpv tells are compared with the rhythm of the recipe, wherever it joined."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.support.media import MediaCache, Recipe
from tests.support.screens import PICTURE, out_of_step, read_picture, weigh_times
from tests.support.seen import Wanted

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = Recipe(fps=Fraction(30), steps=(1, 2, 1, 3, 1))


@pytest.mark.parametrize("first", range(6))
def test_a_varying_rhythm_is_known_wherever_it_begins(first: int) -> None:
    times = [float(RECIPE.time_of(number)) for number in range(first, first + 150)]
    assert weigh_times(times, Wanted(("h264",), 6, 30, RECIPE)) == []


def test_a_lost_picture_is_noticed() -> None:
    times = [number / 25 for number in range(200) if number != 77]
    wanted = Wanted(("h264",), 6, 25, Recipe())
    assert weigh_times(times, wanted) == ["1 frames are not on time"]
    assert weigh_times(times[:50], wanted) == ["50 frames, 150 expected"]
    assert out_of_step([0.04, 0.041, 0.039], Recipe()) == 0


def test_footage_is_even_or_not() -> None:
    wanted = Wanted(("h264",), 2, 25)
    assert weigh_times([n / 25 for n in range(60)], wanted) == []
    assert weigh_times([n / 25 for n in range(60) if n != 9], wanted) == [
        "1 frames are not on time"
    ]


def test_the_line_of_a_picture_is_read() -> None:
    line = (
        "[ffmpeg] Parsed_showinfo_0: n:   7 pts: 280000 pts_time:0.28    pos:       -1 fmt:yuv420p"
    )
    assert PICTURE.findall(line) == ["0.28"]


def test_the_number_in_an_image_is_read(media: MediaCache, tmp_path: Path) -> None:
    import av

    with av.open(str(media(Recipe(seconds=1)).path)) as container:
        frame = list(container.decode(video=0))[7]
    path = tmp_path / "shown.png"
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "rgb24"
        out.mux(stream.encode(frame.reformat(format="rgb24")))
        out.mux(stream.encode(None))
    assert read_picture(path) == 7
    path.write_bytes(path.read_bytes()[:100])
    assert read_picture(path) is None
