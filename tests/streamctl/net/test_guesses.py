from __future__ import annotations

import pytest

from streamctl.net.guesses import GUESSERS_MAX, WINDOW_S, Guesses, site
from streamctl.testing.clock import FakeClock


def test_the_same_wrong_login_counts_once() -> None:
    guesses = Guesses(FakeClock().now, 2)
    for _ in range(9):
        guesses.note("192.0.2.1", "old")
    assert not guesses.exhausted("192.0.2.1")
    guesses.note("192.0.2.1", "other")
    assert guesses.exhausted("192.0.2.1")
    assert not guesses.exhausted("192.0.2.2")


def test_a_minute_later_an_address_may_try_again() -> None:
    clock = FakeClock()
    guesses = Guesses(clock.now, 1)
    guesses.note("192.0.2.1", "a")
    clock.advance(WINDOW_S)
    assert guesses.exhausted("192.0.2.1")
    clock.advance(1)
    assert not guesses.exhausted("192.0.2.1")
    guesses.note("192.0.2.1", "b")
    assert guesses.exhausted("192.0.2.1")


def test_only_so_many_addresses_are_watched() -> None:
    guesses = Guesses(FakeClock().now, 1)
    for number in range(GUESSERS_MAX + 1):
        guesses.note(f"10.0.{number >> 8}.{number & 255}", "a")
    assert not guesses.exhausted("10.0.0.0")
    assert guesses.exhausted("10.0.0.1")
    assert guesses.exhausted("10.0.16.0")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_one_site_is_one_guesser(one: str, other: str, *, same: bool) -> None:
    assert (site(one) == site(other)) is same
