from __future__ import annotations

import pytest

from streamctl.media.mpegts.pcr import MAX_GAP, MAX_STEP, PCR_WRAP, ClockWatch


@pytest.mark.parametrize(
    ("step", "jumps", "gaps"),
    [
        (0, 0, 0),
        (MAX_GAP, 0, 0),
        (MAX_GAP + 1, 0, 1),
        (MAX_STEP, 0, 1),
        (MAX_STEP + 1, 1, 0),
        (-1, 1, 0),
    ],
)
@pytest.mark.parametrize("start", [5, PCR_WRAP - 1])
def test_what_is_wrong_with_a_step_is_counted(start: int, step: int, jumps: int, gaps: int) -> None:
    watch = ClockWatch()
    watch.take(start, announced=False)
    watch.take((start + step) % PCR_WRAP, announced=False)
    assert (watch.jumps, watch.gaps) == (jumps, gaps)


def test_a_clock_that_begins_anew_is_no_fault() -> None:
    watch = ClockWatch()
    watch.take(MAX_STEP * 5, announced=False)
    watch.take(0, announced=True)
    watch.restart()
    watch.take(MAX_STEP * 9, announced=False)
    assert (watch.jumps, watch.gaps) == (0, 0)
