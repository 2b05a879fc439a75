from __future__ import annotations

import pytest

from streamctl.engine.choice import Contender, Rules, Spec, cooldown_s, select


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
