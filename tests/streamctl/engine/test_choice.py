from __future__ import annotations

import pytest

from streamctl.engine.choice import (
    Contender,
    OffAir,
    Reason,
    Rules,
    Spec,
    Start,
    Stop,
    SwitchTo,
    cooldown_s,
    select,
)
from streamctl.engine.failover import CALM_S
from tests.streamctl.engine.case import SLATE, Case, pulled, running, with_slate


@pytest.mark.parametrize(
    ("usable", "override", "chosen"),
    [
        ("111", None, 0),
        ("011", None, 1),
        ("001", None, 2),
        ("000", None, None),
        ("111", 2, 2),
        ("110", 2, 0),
        ("000", 1, None),
    ],
)
def test_the_best_usable_input_is_chosen_and_a_usable_wish_before_it(
    usable: str, override: int | None, chosen: int | None
) -> None:
    inputs = [Contender(Spec(number), ready=flag == "1") for number, flag in enumerate(usable)]
    wished = None if override is None else inputs[override]
    found = select(inputs, wished, usable=lambda one: one.sound)
    assert (found.spec.id if found else None) == chosen


@pytest.mark.parametrize(
    ("failures", "covered", "permanent", "pause_s"),
    [
        (1, False, False, 1),
        (2, False, False, 2),
        (4, False, False, 8),
        (5, False, False, 10),
        (900, False, False, 10),
        (1, True, False, 8),
        (9, True, False, 8),
        (1, False, True, 30),
        (1, True, True, 30),
    ],
)
def test_the_cooldown_grows_unless_another_input_covers(
    failures: int, covered: bool, permanent: bool, pause_s: float
) -> None:
    one = Contender(Spec(0), failures=failures, permanent=permanent)
    assert cooldown_s(one, Rules(), covered=covered) == pause_s


def test_a_slate_that_does_not_run_is_begun_when_it_is_wished() -> None:
    case = Case(*with_slate(Spec(0)))
    case.rap(0)
    case.deliver_all([0, SLATE], CALM_S + 1)
    case.stopped(SLATE)
    assert case.machine.wish(1, case.now) == [Start(SLATE)]
    assert case.rap(SLATE) == [SwitchTo(SLATE, Reason.MANUAL)]
    assert case.deliver_all([0, SLATE], 60) == []
    assert case.failed(SLATE) == [OffAir(SLATE, "reset"), SwitchTo(0, Reason.ERROR, "reset")]
    assert case.machine.override is None


def test_a_wished_slate_that_cannot_be_had_is_wished_no_more() -> None:
    case = Case(*with_slate(Spec(0)))
    case.rap(0)
    case.machine.wish(1, case.now)
    case.failed(SLATE, "no such file")
    assert case.machine.override is None
    assert case.active == 0


def test_who_has_fallen_silent_as_well_does_not_take_over() -> None:
    case = Case(*with_slate(*pulled(2)), hot=True)
    case.rap(0)
    case.rap(1)
    case.rap(SLATE)
    gone = "no packets for 5 s"
    case.deliver(SLATE, 3)
    assert case.failed(0) == [OffAir(0, "reset")]
    assert case.deliver(SLATE, 1)[:1] == [SwitchTo(SLATE, Reason.SLATE, "reset")]
    assert case.deliver(SLATE, 2)[0] == Stop(1, gone)
    case.stopped(1)


def test_who_is_heard_again_takes_over_after_all() -> None:
    case = running(hot=True)
    case.rap(1)
    case.tick(3.0)
    assert case.failed(0) == [OffAir(0, "reset")]
    case.machine.heard(1, case.now)
    assert case.tick(0.25) == [SwitchTo(1, Reason.ERROR, "reset")]
