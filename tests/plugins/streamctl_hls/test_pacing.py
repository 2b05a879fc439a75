"""When live media is due."""

from __future__ import annotations

import pytest

from streamctl.media.pace import STEP_S
from streamctl_hls.pacing import HURRY, LivePacer


def test_media_is_due_in_real_time() -> None:
    pacer = LivePacer()
    assert pacer.horizon_s(50.0, 10.0) == 50.0 + STEP_S
    assert pacer.horizon_s(51.0, 11.0) == 51.0 + STEP_S


def test_what_piles_up_is_played_a_little_faster() -> None:
    pacer = LivePacer()
    pacer.hurry = True
    found = pacer.horizon_s(0.0, 100.0)
    for second in range(1, 11):
        found = pacer.horizon_s(float(second), 100.0 + second)
    assert found == pytest.approx(10 * (1 + HURRY) + STEP_S)
    pacer.hurry = False
    assert pacer.horizon_s(11.0, 111.0) == pytest.approx(11 + 10 * HURRY + STEP_S)


def test_other_times_go_on_where_the_old_ones_ended() -> None:
    pacer = LivePacer()
    pacer.rebase(1.0, 2.0)
    pacer.horizon_s(0.0, 100.0)
    pacer.rebase(5.0, 700.0)
    assert pacer.horizon_s(700.0, 105.0) == 700.0 + STEP_S
