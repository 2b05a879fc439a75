"""Reports about a source: loss and jitter as RFC 3550 counts them."""

from __future__ import annotations

import pytest

from streamctl.media.rtp.jitter import Arrival, JitterBuffer
from streamctl.media.rtp.packet import RtpPacket
from streamctl.media.rtp.reception import Reception

RATE = 90_000


def packet(sequence: int) -> RtpPacket:
    return RtpPacket(96, False, sequence & 0xFFFF, 0, 7, memoryview(b""))


def test_a_report_tells_what_was_lost_since_the_last() -> None:
    order, reception = Arrival(), Reception(7, RATE)
    for number in (65_530, 65_531, 65_534, 65_535, 0, 1):
        order.push(packet(number), 0.0)
    block = reception.block(order.tally, 1.0)
    assert (block.ssrc, block.lost, block.fraction) == (7, 2, (2 << 8) // 8)
    assert block.highest == 65_536 + 1
    assert (block.last_report, block.delay) == (0, 0)
    order.push(packet(2), 0.0)
    block = reception.block(order.tally, 2.0)
    assert (block.lost, block.fraction) == (2, 0)
    assert reception.block(order.tally, 3.0).fraction == 0


def test_what_comes_twice_counts_against_the_lost() -> None:
    order, reception = JitterBuffer(), Reception(7, RATE)
    for number in (1, 2, 2, 2, 3):
        order.push(packet(number), 0.0)
    assert reception.block(order.tally, 1.0).lost == -2


def test_another_numbering_begins_with_nothing_lost() -> None:
    order, reception = Arrival(), Reception(7, RATE)
    for number in (1, 2, 9):
        order.push(packet(number), 0.0)
    assert reception.block(order.tally, 1.0).lost == 6
    order.push(packet(40_000), 0.0)
    block = reception.block(order.tally, 2.0)
    assert (block.lost, block.fraction, block.highest) == (0, 0, 40_000)


def test_the_delay_counts_from_the_newest_sender_report() -> None:
    order, reception = Arrival(), Reception(7, RATE)
    order.push(packet(1), 0.0)
    reception.reported(0x11112222_33334444, 10.0)
    block = reception.block(order.tally, 12.5)
    assert (block.last_report, block.delay) == (0x22223333, 163_840)


def test_an_even_arrival_has_no_jitter() -> None:
    reception = Reception(7, RATE)
    for frame in range(100):
        for _ in range(5):
            reception.arrived(frame * 3600, frame * 0.04)
    assert reception.jitter == pytest.approx(0, abs=1e-3)


def test_jitter_follows_the_deviation() -> None:
    reception = Reception(7, RATE)
    for frame in range(400):
        reception.arrived(frame * 3600, frame * 0.04 + 0.005 * (frame % 2))
    assert reception.jitter == pytest.approx(450, rel=0.01)


def test_a_clock_that_was_set_is_no_jitter() -> None:
    reception = Reception(7, RATE)
    for frame in range(10):
        reception.arrived(frame * 3600, frame * 0.04)
    reception.arrived(0xF000_0000, 0.4)
    assert reception.jitter < 1
