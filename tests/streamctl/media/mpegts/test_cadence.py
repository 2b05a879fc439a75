from __future__ import annotations

import pytest

from streamctl.media.mpegts.cadence import Cadence

WRAP = 1 << 33


def paced(step: float, count: int, start: int = 0, *, gop: int = 12) -> Cadence:
    cadence = Cadence()
    for number in range(count):
        dts = (start + round(number * step)) % WRAP
        cadence.add((dts + 2 * round(step)) % WRAP, dts, rap=number % gop == 0)
    return cadence


@pytest.mark.parametrize(
    ("step", "fps"), [(3600, 25.0), (1800, 50.0), (3003, 29.97), (1501.5, 60.0)]
)
def test_the_frame_rate_is_that_of_most_steps(step: float, fps: float) -> None:
    assert paced(step, 80).fps == pytest.approx(fps, rel=0.002)


def test_a_few_pictures_tell_no_rate() -> None:
    assert paced(3600, 4).fps == 0.0


def test_the_wrap_is_no_step() -> None:
    cadence = paced(3600, 40, WRAP - 3600 * 20 - 1)
    assert (cadence.fps, cadence.gop_ticks, cadence.gop_pictures) == (25.0, 43_200, 12)
    assert cadence.reorder_ticks == 7200


def test_jumps_are_no_steps() -> None:
    cadence = Cadence()
    for dts in (0, 3600, 7200, 7200 + WRAP // 2, 7200 + WRAP // 2, 9, 3609, 7209, 10809):
        cadence.add(dts - 1, dts, rap=False)
    assert (cadence.fps, cadence.reorder_ticks, cadence.pictures) == (25.0, 0, 9)


def test_a_group_is_known_when_it_ends() -> None:
    assert paced(3600, 12).gop_pictures == 0
    assert paced(3600, 13).gop_pictures == 12
