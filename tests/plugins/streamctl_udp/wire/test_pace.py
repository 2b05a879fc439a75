"""When packets leave: by the clock inside them, whatever the way they come."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from streamctl_udp.wire.pace import (
    MAX_DISTANCE_S,
    PACKET_BYTES,
    PCR_HZ,
    PCR_PERIOD,
    Pacer,
    Run,
    reference,
    with_reference,
)

DELAY_S = 0.2
PID = 0x100
PLAIN = b"\x47\x01\x00\x10" + bytes(184)


def clock_packet(seconds: float, pid: int = PID) -> bytes:
    """A packet with a reference."""
    value = round(seconds * PCR_HZ) % PCR_PERIOD
    head = bytes((0x47, pid >> 8, pid & 255, 0x30, 7, 0x10)) + bytes(6)
    return with_reference(head.ljust(PACKET_BYTES, b"\xff"), value)


def stretch(seconds: float, packets: int = 10, pid: int = PID) -> bytes:
    """What comes between two references, the first one included."""
    return clock_packet(seconds, pid) + PLAIN * (packets - 1)


class Line:
    """A pacer with its surroundings: packets come by a schedule and leave when they are due."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self.pacer = Pacer(delay_s)
        self.left: list[tuple[float, bytes]] = []
        """Every packet with the time at which it was due."""

    def take(self, now: float) -> None:
        for run in self.pacer.take(now):
            for number in range(run.count):
                at = number * PACKET_BYTES
                self.left.append((run.due + number * run.step, run.data[at : at + PACKET_BYTES]))

    def run(self, arrivals: list[tuple[float, bytes]], until: float, step: float = 0.005) -> None:
        """Let time pass, with what comes on the way."""
        waiting = sorted(arrivals, key=lambda one: one[0])
        now = waiting[0][0]
        while now <= until:
            while waiting and waiting[0][0] <= now:
                when, data = waiting.pop(0)
                self.pacer.feed(data, when)
            self.take(now)
            now += step

    def references(self) -> list[tuple[float, float]]:
        """When each reference was due, and what it says, seconds."""
        return [
            (due, reference(packet, 0) / PCR_HZ)
            for due, packet in self.left
            if packet[3] & 0x20 and packet[5] & 0x10
        ]

    def jitter(self) -> float:
        """How much the clock goes wrong from one reference to the next, at worst."""
        steps = [
            (later[0] - earlier[0]) - (later[1] - earlier[1])
            for earlier, later in pairwise(self.references())
        ]
        return max(map(abs, steps))


def test_packets_leave_at_the_pace_of_their_clock() -> None:
    line = Line()
    line.run([(5 + n * 0.04, stretch(100 + n * 0.04)) for n in range(50)], 7.5)
    assert line.jitter() < 1e-6
    spaces = [later - earlier for (earlier, _), (later, _) in pairwise(line.left[:-10])]
    assert max(spaces) < 0.0041
    assert line.left[0][0] == pytest.approx(5 + DELAY_S)
    assert line.pacer.jumps == 0


def test_nothing_is_lost_and_the_order_stays() -> None:
    line = Line()
    numbered = [stretch(n * 0.04, 3)[:-4] + n.to_bytes(4, "big") for n in range(200)]
    line.run([(9 + n * 0.04, data) for n, data in enumerate(numbered)], 19)
    assert b"".join(packet for _, packet in line.left) == b"".join(numbered)
    assert line.pacer.idle
    assert line.pacer.next_due() is None


def test_lumps_leave_evenly() -> None:
    """Half a second of media at once, twice a second, with enough delay."""
    line = Line(delay_s=0.6)
    line.run(
        [(5 + (n // 12) * 0.48, stretch(n * 0.04)) for n in range(48)],
        8,
    )
    assert line.jitter() < 0.04 * 0.00021
    assert line.pacer.jumps == 0


def test_chunks_of_any_number_of_packets_are_the_same() -> None:
    whole, pieces = Line(), Line()
    stream = b"".join(stretch(n * 0.04) for n in range(20))
    whole.run([(5.0, stream)], 7)
    cut = [stream[at : at + 3 * PACKET_BYTES] for at in range(0, len(stream), 3 * PACKET_BYTES)]
    pieces.run([(5.0, piece) for piece in cut], 7)
    assert [packet for _, packet in pieces.left] == [packet for _, packet in whole.left]
    assert [due for due, _ in pieces.left] == pytest.approx([due for due, _ in whole.left])


def test_the_clock_begins_anew_without_a_break() -> None:
    line = Line()
    start = PCR_PERIOD / PCR_HZ - 1
    line.run([(5 + n * 0.04, stretch(start + n * 0.04)) for n in range(50)], 7)
    assert line.pacer.jumps == 0
    assert max(later - earlier for (earlier, _), (later, _) in pairwise(line.left[:-10])) < 0.0041


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 5.0, -0.5])
def test_a_jump_of_the_clock_is_none_of_the_pace(jump_s: float) -> None:
    line = Line()
    before = [(5 + n * 0.04, stretch(4000 + n * 0.04)) for n in range(25)]
    after = [(6 + n * 0.04, stretch(4001 + jump_s + n * 0.04)) for n in range(25)]
    line.run(before + after, 8)
    assert line.pacer.jumps == 1
    assert len(line.left) == 500
    spaces = [later - earlier for (earlier, _), (later, _) in pairwise(line.left[:-10])]
    assert max(spaces) < MAX_DISTANCE_S
    assert min(spaces) >= 0
    assert line.left[-1][0] < 6 + 24 * 0.04 + DELAY_S + MAX_DISTANCE_S + 0.01


def test_an_outage_of_its_true_length_stays_one() -> None:
    line = Line()
    before = [(5 + n * 0.04, stretch(n * 0.04)) for n in range(25)]
    after = [(16 + n * 0.04, stretch(11 + n * 0.04)) for n in range(25)]
    line.run(before + after, 18)
    times = [due for due, _ in line.left]
    assert len(times) == 500
    assert max(due for due in times if due < 10) < 6.5
    assert min(due for due in times if due > 10) > 15.9
    assert line.pacer.jumps == 0


def test_media_that_comes_late_is_sent_and_the_delay_is_made_anew() -> None:
    line = Line()
    before = [(5 + n * 0.04, stretch(n * 0.04)) for n in range(25)]
    after = [(7.0 + n * 0.04, stretch(1 + n * 0.04)) for n in range(50)]
    line.run(before + after, 10)
    assert line.pacer.jumps == 1
    times = [due for due, packet in line.left if packet[3] & 0x20]
    assert times[30] == pytest.approx(7.0 + 5 * 0.04 + DELAY_S)
    assert len(line.left) == 750


@pytest.mark.parametrize("ppm", [-100, 100])
def test_clocks_that_drift_are_followed(ppm: int) -> None:
    """For ten minutes; left alone, 60 ms of the delay would be gone, or be added."""
    line = Line()
    rate = 1 + ppm / 1e6
    generator = random.Random(7)
    count = 15_000
    arrivals = [
        (5 + n * 0.04 + generator.uniform(0, 0.03), stretch(n * 0.04 * rate, 2))
        for n in range(count)
    ]
    line.run(arrivals, 5 + count * 0.04, step=0.02)
    assert line.pacer.jumps == 0
    assert line.jitter() <= 0.04 * 0.00021
    came = 5 + (count - 20) * 0.04
    due = line.references()[count - 20][0]
    assert 0.02 < due - came < DELAY_S + 0.05


def test_packets_without_a_clock_leave_nonetheless() -> None:
    line = Line()
    line.run([(5 + n * 0.04, PLAIN * 5) for n in range(50)], 8)
    assert len(line.left) == 250
    assert line.pacer.pid == -1


def test_of_several_clocks_one_is_followed_until_it_stops() -> None:
    line = Line()
    both = [
        (5 + n * 0.04, stretch(n * 0.04) + stretch(900 + n * 0.04, pid=0x200)) for n in range(50)
    ]
    rest = [(7 + n * 0.04, stretch(902 + n * 0.04, pid=0x200)) for n in range(100)]
    line.run(both + rest, 12)
    assert line.pacer.pid == 0x200
    assert line.pacer.jumps == 0
    assert len(line.left) == 2000


def test_a_lone_end_leaves_when_nothing_follows() -> None:
    line = Line()
    line.run([(5.0, stretch(0)), (5.04, stretch(0.04))], 7)
    assert len(line.left) == 20


def test_the_end_is_planned_when_it_is_known() -> None:
    line = Line()
    line.run([(5.0, stretch(0)), (5.04, stretch(0.04))], 5.05)
    line.pacer.finish(5.05)
    due = line.pacer.next_due()
    assert due is not None
    line.take(5.05 + DELAY_S + MAX_DISTANCE_S)
    assert len(line.left) == 20
    assert line.pacer.idle
    line.pacer.finish(9)
    assert line.pacer.idle


def test_how_far_ahead_packets_are_planned_is_known() -> None:
    pacer = Pacer(DELAY_S)
    assert pacer.ahead(5) == 0
    for n in range(25):
        pacer.feed(stretch(n * 0.04), 5)
    assert pacer.ahead(5) == pytest.approx(0.96 + DELAY_S)


def test_a_run_is_split_by_time() -> None:
    run = Run(10.0, 0.001, PLAIN * 10)
    ready, rest = run.split(10.0035)
    assert (ready.count, rest and rest.count) == (4, 6)
    assert rest is not None
    assert rest.due == pytest.approx(10.004)
    assert run.split(10.0) == (Run(10.0, 0.001, PLAIN), Run(10.001, 0.001, PLAIN * 9))
    assert run.split(11.0) == (run, None)
    assert Run(10.0, 0.0, PLAIN * 3).split(10.0) == (Run(10.0, 0.0, PLAIN * 3), None)


def test_a_reference_is_replaced() -> None:
    packet = clock_packet(1.0)
    for value in (0, 1, 299, 300, PCR_PERIOD - 1):
        changed = with_reference(packet, value)
        assert reference(changed, 0) == value
        assert (changed[:6], changed[12:]) == (packet[:6], packet[12:])
    assert reference(with_reference(packet, PCR_PERIOD + 5), 0) == 5
