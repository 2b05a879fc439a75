from __future__ import annotations

import socket
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.support.lossy_udp import HEADERS, HOST, Direction, Link, LossyUdp
from tests.support.process import eventually
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator


def fates(link: Link, count: int, *, seed: int = 1, gap_s: float = 0.001) -> list[list[float]]:
    """When each of so many datagrams comes out, sent at even distances."""
    direction = Direction(link, seed)
    return [direction.arrivals(1000, number * gap_s) for number in range(count)]


def test_a_perfect_link_passes_everything_at_once() -> None:
    assert fates(Link(), 3) == [[0.0], [0.001], [0.002]]


def test_equal_seeds_have_equal_fates() -> None:
    bad = Link(delay_s=0.1, jitter_s=0.05, loss=0.1, reorder=0.1, duplicate=0.1)
    assert fates(bad, 500) == fates(bad, 500)
    assert fates(bad, 500) != fates(bad, 500, seed=2)


@pytest.mark.parametrize("burst", [1.0, 5.0])
def test_the_wanted_part_is_lost(burst: float) -> None:
    out = fates(Link(loss=0.05, burst=burst), 40_000)
    assert 0.04 < sum(not one for one in out) / len(out) < 0.06
    runs = sum(bool(one) and not after for one, after in pairwise(out))
    assert sum(not one for one in out) / runs == pytest.approx(burst, rel=0.15)


def test_what_is_lost_does_not_depend_on_the_other_troubles() -> None:
    lossy = Link(loss=0.1)
    worse = Link(loss=0.1, jitter_s=0.1, reorder=0.1, duplicate=0.1)
    assert [bool(one) for one in fates(lossy, 500)] == [bool(one) for one in fates(worse, 500)]


def test_jitter_keeps_the_order() -> None:
    out = [one[0] for one in fates(Link(delay_s=0.1, jitter_s=0.05), 500, gap_s=0.01)]
    assert out == sorted(out)
    late = [due - number * 0.01 for number, due in enumerate(out)]
    assert 0.1 <= min(late) < 0.11
    assert 0.14 < max(late) <= 0.15


def test_some_are_held_up_and_overtaken() -> None:
    out = [one[0] for one in fates(Link(reorder=0.1, hold_s=0.02), 1000)]
    held = [number for number, due in enumerate(out) if due > number * 0.001]
    assert 60 < len(held) < 140
    assert all(out[number] == pytest.approx(number * 0.001 + 0.02) for number in held)


def test_some_arrive_twice() -> None:
    out = fates(Link(duplicate=0.1), 1000)
    assert 60 < sum(len(one) == 2 for one in out) < 140


def test_a_limited_rate_spreads_a_burst_and_drops_what_the_queue_can_not_hold() -> None:
    direction = Direction(Link(rate_bps=8_000_000, queue_bytes=10_000), 1)
    out = [direction.arrivals(1000, 0.0) for _ in range(20)]
    step = (1000 + HEADERS) / 1_000_000
    assert out[:9] == [[pytest.approx((n + 1) * step)] for n in range(9)]
    assert direction.counts.overflowed == sum(not one for one in out) == 11
    assert direction.arrivals(1000, 5.0) == [pytest.approx(5.0 + step)]


@pytest.fixture
def echo() -> Iterator[socket.socket]:
    """A bound socket for a target."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        one.settimeout(PATIENCE_S)
        yield one


@pytest.fixture
def caller() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(PATIENCE_S)
        yield one


def test_it_talks_both_ways_with_several_callers(
    echo: socket.socket, caller: socket.socket
) -> None:
    with (
        LossyUdp(echo.getsockname()) as relay,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.settimeout(PATIENCE_S)
        caller.sendto(b"first", (HOST, relay.port))
        first, one = echo.recvfrom(100)
        other.sendto(b"second", (HOST, relay.port))
        second, two = echo.recvfrom(100)
        assert (first, second) == (b"first", b"second")
        echo.sendto(b"to two", two)
        echo.sendto(b"to one", one)
        assert caller.recv(100) == b"to one"
        assert other.recv(100) == b"to two"
        assert (relay.there.counts.passed, relay.back.counts.passed) == (2, 2)


def test_a_way_takes_its_time(echo: socket.socket, caller: socket.socket) -> None:
    with LossyUdp(echo.getsockname(), there=Link(delay_s=0.1)) as relay:
        began = time.monotonic()
        caller.sendto(b"there", (HOST, relay.port))
        assert echo.recv(100) == b"there"
        assert time.monotonic() - began >= 0.1


def test_a_cut_link_loses_everything_until_it_is_mended(
    echo: socket.socket, caller: socket.socket
) -> None:
    with LossyUdp(echo.getsockname(), there=Link(delay_s=1)) as relay:
        caller.sendto(b"on the way", (HOST, relay.port))
        eventually(lambda: relay.there.counts.arrived == 1)
        relay.cut()
        caller.sendto(b"during", (HOST, relay.port))
        eventually(lambda: relay.there.counts.cut == 2)
        relay.mend()
        relay.change(there=Link())
        caller.sendto(b"after", (HOST, relay.port))
        assert echo.recv(100) == b"after"


def test_a_target_that_is_not_there_yet_is_no_error(caller: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind((HOST, 0))
        address = target.getsockname()
    with LossyUdp(address) as relay:
        caller.sendto(b"hello?", (HOST, relay.port))
        eventually(lambda: relay.there.counts.passed == 1)
        caller.sendto(b"nobody?", (HOST, relay.port))
        eventually(lambda: relay.there.counts.passed == 2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.bind(address)
            target.settimeout(PATIENCE_S)
            caller.sendto(b"hello!", (HOST, relay.port))
            assert target.recv(100) == b"hello!"
