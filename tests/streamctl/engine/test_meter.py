from __future__ import annotations

import pytest

from streamctl.engine.meter import Meter


def test_rates_are_averages_over_the_window() -> None:
    meter = Meter()
    assert meter.rates() == (0.0, 0.0)
    for second in range(10):
        meter.bytes += 1000 if second < 5 else 2000
        meter.items += 25
        meter.sample(float(second))
    bits, items = meter.rates()
    assert bits == pytest.approx(16_000)
    assert items == pytest.approx(25)


def test_two_samples_at_one_instant_say_nothing() -> None:
    meter = Meter()
    meter.sample(1.0)
    meter.sample(1.0)
    assert meter.rates() == (0.0, 0.0)
