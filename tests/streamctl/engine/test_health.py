from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.engine.health import ERRORS, SOUND, Health, Limits, Reading

LIMITS = Limits(no_frames_s=3, min_kbps=300, max_loss_pct=5, no_keyframe_s=20)


class Input:
    """An input whose counters rise as the test says."""

    def __init__(self) -> None:
        self.now = 50.0
        self.reading = Reading(has_video=True)
        self.health = Health()
        self.health.begin(self.now)

    def flow(self, seconds: float, *, step: float = 0.25, **per_s: float) -> None:
        """Counters rise by so much a second."""
        for _ in range(round(seconds / step)):
            self.now += step
            names = {name: getattr(self.reading, name) + per_s[name] * step for name in per_s}
            self.reading = replace(self.reading, **names)
            self.health.sample(self.reading, self.now)

    def complaint(self, limits: Limits = LIMITS) -> str:
        return self.health.judge(limits, self.now).words


FINE = {"bytes": 125_000, "frames": 25, "keys": 4, "came": 1000}


def test_the_bit_rate_follows_within_a_few_seconds() -> None:
    one = Input()
    one.flow(3, **FINE)
    assert 600 < one.health.kbps < 660
    one.flow(12, **FINE)
    assert one.health.kbps == pytest.approx(1000, rel=0.01)
    assert one.health.fps == pytest.approx(25, rel=0.01)
    one.flow(3, frames=25)
    assert one.health.kbps == pytest.approx(368, rel=0.02)


@pytest.mark.parametrize("step", [0.25, 1.0])
def test_the_rate_does_not_depend_on_how_often_it_is_looked_at(step: float) -> None:
    one = Input()
    one.flow(6, step=step, **FINE)
    assert one.health.kbps == pytest.approx(865, rel=0.01)


def test_a_sound_input_has_nothing_to_complain_of() -> None:
    one = Input()
    for _ in range(30):
        one.flow(1, **FINE)
        assert one.health.judge(LIMITS, one.now) is SOUND


@pytest.mark.parametrize(
    ("wrong", "seconds", "words"),
    [
        ({**FINE, "frames": 0, "keys": 0}, 4, "no frames for 4 s"),
        ({**FINE, "keys": 0}, 21, "no keyframe for 21 s"),
        ({**FINE, "bytes": 20_000}, 12, "kbit/s, less than 300"),
        ({**FINE, "lost": 100}, 10, "9.1 % lost, more than 5"),
    ],
)
def test_each_cause_is_found_and_none_is_looked_for_by_default(
    wrong: dict[str, float], seconds: float, words: str
) -> None:
    one = Input()
    one.flow(10, **FINE)
    one.flow(seconds, **wrong)
    assert words in one.complaint()
    assert one.complaint(Limits()) == ""
    one.flow(20, **FINE)
    assert one.complaint() == ""


def test_missing_pictures_are_worse_than_anything_else() -> None:
    one = Input()
    one.flow(10, bytes=10)
    assert one.health.judge(LIMITS, one.now).dead
    assert not one.health.judge(Limits(no_keyframe_s=5), one.now).dead


def test_an_input_of_sound_alone_needs_no_pictures() -> None:
    one = Input()
    one.reading = Reading(has_video=False)
    one.flow(30, bytes=125_000)
    assert one.complaint() == ""


def test_an_input_may_take_a_while_to_come_up_to_its_rate() -> None:
    one = Input()
    one.flow(4, frames=25, keys=1)
    assert one.complaint() == ""
    one.flow(4, frames=25, keys=1)
    assert "kbit/s" in one.complaint()


def test_loss_is_that_of_the_last_seconds() -> None:
    one = Input()
    one.flow(10, **FINE)
    one.flow(2, lost=500, came=500)
    assert one.health.loss_pct == pytest.approx(100 * 1000 / 10_000, rel=0.1)
    one.flow(11, **FINE)
    assert one.health.loss_pct == 0


def test_counters_that_begin_anew_are_no_loss() -> None:
    one = Input()
    one.flow(10, **FINE)
    one.reading = Reading(has_video=True)
    one.flow(1, **FINE)
    assert one.health.loss_pct == 0
    assert one.health.kbps > 0


def test_an_attempt_begins_from_nothing() -> None:
    one = Input()
    one.flow(10, **FINE)
    one.health.begin(one.now)
    assert (one.health.kbps, one.health.fps, one.health.loss_pct) == (0, 0, 0)
    assert one.complaint() == ""


def test_the_same_moment_is_looked_at_once() -> None:
    one = Input()
    one.health.sample(Reading(bytes=1000), one.now)
    assert one.health.kbps == 0


def test_the_newest_errors_are_kept_until_it_works_again() -> None:
    health = Health()
    for number in range(ERRORS + 2):
        health.failed(f"error {number}")
        health.failed(f"error {number}")
    assert list(health.errors) == [f"error {number}" for number in range(2, ERRORS + 2)]
    health.recovered()
    assert not health.errors
