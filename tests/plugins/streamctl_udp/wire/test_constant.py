"""A constant rate: every slot is filled, and the clock stays true."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamctl_udp.wire.constant import NULL_PACKET, ConstantRate
from streamctl_udp.wire.pace import PACKET_BYTES, PCR_HZ, Run, reference
from tests.plugins.streamctl_udp.wire.test_pace import PLAIN, clock_packet

RATE = 188 * 8 * 1000
"""A thousand packets a second."""


def packets(runs: list[Run]) -> list[bytes]:
    data = b"".join(run.data for run in runs)
    return [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]


def test_null_packets_fill_what_the_media_leaves() -> None:
    constant = ConstantRate(RATE)
    out = packets(constant.fill([Run(5.0, 0.01, PLAIN * 10)], 5.0))
    for tick in range(1, 21):
        out += packets(constant.fill([], 5.0 + tick * 0.005))
    assert len(out) == pytest.approx(101, abs=1)
    assert out.count(PLAIN) == 10
    assert out.count(NULL_PACKET) == constant.nulls == len(out) - 10
    assert constant.dropped == 0


def test_nothing_is_sent_before_the_first_media() -> None:
    constant = ConstantRate(RATE)
    assert constant.fill([], 5.0) == []
    assert packets(constant.fill([Run(6.0, 0.0, PLAIN)], 6.0)) == [PLAIN]


def test_null_packets_go_on_while_there_is_no_media() -> None:
    constant = ConstantRate(RATE)
    constant.fill([Run(5.0, 0.0, PLAIN)], 5.0)
    assert packets(constant.fill([], 5.0105)) == [NULL_PACKET] * 10


def test_null_packets_of_the_input_are_not_needed() -> None:
    constant = ConstantRate(RATE)
    assert packets(constant.fill([Run(5.0, 0.0, NULL_PACKET * 3 + PLAIN)], 5.0)) == [PLAIN]


def test_the_clock_is_that_of_the_slots() -> None:
    """References come at odd times; in the stream they are where their values say."""
    constant = ConstantRate(RATE)
    out: list[bytes] = []
    for tick in range(400):
        now = 5.0 + tick * 0.005
        runs = []
        if tick % 7 == 0:
            due = now - 0.0033
            runs = [Run(due, 0.0, clock_packet(50 + due) + PLAIN * (tick % 5))]
        out += packets(constant.fill(runs, now))
    marks = [
        (number, reference(packet, 0) / PCR_HZ)
        for number, packet in enumerate(out)
        if packet[3] & 0x20
    ]
    assert len(marks) > 50
    for (slot, value), (later_slot, later) in pairwise(marks):
        assert later - value == pytest.approx((later_slot - slot) / 1000, abs=1e-6)


def test_what_the_rate_has_no_room_for_is_dropped_and_counted() -> None:
    constant = ConstantRate(RATE)
    sent = 0
    for tick in range(1000):
        now = 5.0 + tick * 0.005
        sent += packets(constant.fill([Run(now, 0.0, PLAIN * 10)], now)).count(PLAIN)
    assert constant.dropped > 3000
    assert 10_000 - constant.dropped - 1100 < sent <= 5001


def test_a_process_that_was_held_up_does_not_make_up_for_it() -> None:
    constant = ConstantRate(RATE)
    constant.fill([Run(5.0, 0.0, PLAIN)], 5.0)
    assert packets(constant.fill([], 65.0)) == [NULL_PACKET]


def test_the_rate_is_the_one_that_was_asked_for() -> None:
    constant = ConstantRate(5_000_000)
    total = len(b"".join(run.data for run in constant.fill([Run(5.0, 0.0, PLAIN)], 5.0)))
    for tick in range(1, 2001):
        total += sum(len(run.data) for run in constant.fill([], 5.0 + tick * 0.005))
    assert total * 8 / 10 == pytest.approx(5_000_000, rel=1e-3)
