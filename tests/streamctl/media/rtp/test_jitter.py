"""The order of packets: what passes, what is held, what is lost, and that it recovers."""

from __future__ import annotations

import random

import pytest

from streamctl.media.rtp.jitter import MAX_HELD_BYTES, Arrival, JitterBuffer, Order
from streamctl.media.rtp.packet import RtpPacket

EMPTY = memoryview(b"")


def packet(sequence: int, size: int = 0) -> RtpPacket:
    payload = memoryview(bytes(size)) if size else EMPTY
    return RtpPacket(33, False, sequence & 0xFFFF, 0, 1, payload)


def push(order: Order, *numbers: int, now: float = 0.0) -> list[int | str]:
    """What comes out for these numbers; ``!`` before those that follow a loss."""
    found: list[int | str] = []
    for number in numbers:
        found += shown(order.push(packet(number), now))
    return found


def shown(ordered: list[tuple[RtpPacket, bool]]) -> list[int | str]:
    return [f"!{one.sequence}" if lost else one.sequence for one, lost in ordered]


def test_what_is_in_order_passes_at_once() -> None:
    order = JitterBuffer()
    assert push(order, 65534, 65535, 0, 1) == [65534, 65535, 0, 1]
    assert order.deadline is None
    assert (order.tally.base, order.tally.highest, order.tally.received) == (65534, 65537, 4)


def test_what_is_early_waits_for_what_is_missing() -> None:
    order = JitterBuffer(0.1)
    assert push(order, 1, 3, 4, now=1.0) == [1]
    assert order.deadline == pytest.approx(1.1)
    assert push(order, 2, now=1.05) == [2, 3, 4]
    assert order.deadline is None
    assert push(order, 5) == [5]
    assert (order.tally.lost, order.tally.gaps, order.tally.late) == (0, 0, 0)


def test_what_does_not_come_in_time_is_lost() -> None:
    order = JitterBuffer(0.1)
    push(order, 1, 3, 4, now=1.0)
    push(order, 7, now=1.05)
    assert shown(order.poll(1.09)) == []
    assert shown(order.poll(1.1)) == ["!3", 4]
    assert order.deadline == pytest.approx(1.15)
    assert shown(order.poll(2.0)) == ["!7"]
    assert order.deadline is None
    assert (order.tally.lost, order.tally.gaps) == (3, 2)
    assert push(order, 2, 5) == []
    assert order.tally.late == 2
    assert push(order, 8) == [8]


def test_a_packet_gives_up_what_has_had_its_time() -> None:
    order = JitterBuffer(0.1)
    push(order, 1, 3, now=1.0)
    assert push(order, 4, now=1.2) == ["!3", 4]


def test_a_packet_that_fills_one_of_two_gaps_leaves_the_other() -> None:
    order = JitterBuffer(0.1)
    assert push(order, 1, 3, 5, now=1.0) == [1]
    assert push(order, 2) == [2, 3]
    assert order.deadline == pytest.approx(1.1)
    assert push(order, 4) == [4, 5]


def test_what_comes_twice_passes_once() -> None:
    order = JitterBuffer()
    assert push(order, 1, 1, 3, 3, 2, 2) == [1, 2, 3]
    assert order.tally.late == 3
    assert order.tally.received == 6


def test_one_odd_number_is_left_out() -> None:
    order = JitterBuffer()
    assert push(order, 1, 2, 40_000, 3, 4) == [1, 2, 3, 4]
    assert order.tally.restarts == 0


@pytest.mark.parametrize("jump", [5000, 40_000, -5000, -300])
def test_another_numbering_is_believed_when_it_goes_on(jump: int) -> None:
    order = JitterBuffer()
    first = (400 + jump) & 0xFFFF
    found = push(order, 398, 399, first, first + 1, first + 2)
    assert found == [398, 399, f"!{first}", first + 1, first + 2]
    assert order.tally.restarts == 1
    assert order.tally.received == 3


def test_another_numbering_gives_up_what_was_held() -> None:
    order = JitterBuffer()
    assert push(order, 1, 3, 30_000, 30_001) == [1, "!3", "!30000", 30_001]
    assert order.deadline is None


def test_what_is_held_is_bounded() -> None:
    order = JitterBuffer(10.0)
    size = 60_000
    order.push(packet(0), 0.0)
    passed = 0
    for number in range(2, 400):
        passed += len(order.push(packet(number, size), 0.0))
    assert 398 - passed <= MAX_HELD_BYTES // size
    assert order.tally.lost == 1


def test_a_buffer_of_no_time_waits_for_nothing() -> None:
    assert push(JitterBuffer(0.0), 1, 3, 2, 4) == [1, "!3", 4]


def test_flushing_gives_what_is_held() -> None:
    order = JitterBuffer()
    push(order, 1, 3, 6)
    assert shown(order.flush()) == ["!3", "!6"]
    assert order.flush() == []


def test_shuffled_packets_come_out_in_order() -> None:
    numbers = list(range(65_000, 65_000 + 3000))
    generator = random.Random(7)
    for at in range(1, len(numbers) - 8, 8):
        part = numbers[at : at + 8]
        generator.shuffle(part)
        numbers[at : at + 8] = part
    order = JitterBuffer()
    out = push(order, *numbers)
    assert out == [number & 0xFFFF for number in range(65_000, 68_000)]
    assert order.tally.lost == 0


def test_fifty_megabits_for_a_minute_lose_nothing() -> None:
    order = JitterBuffer()
    one = packet(0)
    count = 60 * 4464
    passed = 0
    for number in range(count):
        one.sequence = number & 0xFFFF
        passed += len(order.push(one, number / 4464))
    assert passed == count
    assert order.tally.lost == 0
    assert order.tally.highest == count - 1


def test_a_connection_keeps_the_order() -> None:
    order = Arrival()
    assert push(order, 65_535, 0, 1) == [65_535, 0, 1]
    assert (order.tally.base, order.tally.highest) == (65_535, 65_537)
    assert push(order, 4, 5) == ["!4", 5]
    assert (order.tally.lost, order.tally.gaps, order.tally.highest) == (2, 1, 65_541)
    assert push(order, 30_000, 30_001) == ["!30000", 30_001]
    assert (order.tally.restarts, order.tally.received) == (1, 2)
    assert order.deadline is None
    assert order.poll(9.0) == []
