from __future__ import annotations

from streamctl.media.pace import MAX_AHEAD_S, MAX_BURST_S, STEP_S, Pacer
from streamctl.media.packet import TIMESCALE, Kind, Packet


def at(*seconds: float) -> list[Packet]:
    return [Packet(0, 0, round(s * TIMESCALE), Kind.P, 0, b"") for s in seconds]


def test_packets_are_due_by_their_decoding_time() -> None:
    pacer = Pacer()
    packets = at(0, 0.01, 0.04, 0.5)
    assert pacer.due(packets, 0, 100.0) == 2
    assert pacer.due(packets, 2, 100.01) == 2
    assert round(pacer.wait_s(0.04, 100.01), 6) == 0.03
    assert pacer.due(packets, 2, 100.04) == 3
    assert pacer.due(packets, 3, 101.0) == 4


def test_what_is_due_within_one_step_goes_out_together() -> None:
    packets = at(0, STEP_S - 0.001, STEP_S + 0.001)
    assert Pacer().due(packets, 0, 7.0) == 2


def test_a_file_that_does_not_start_at_zero_starts_at_once() -> None:
    packets = at(50, 51)
    pacer = Pacer()
    assert pacer.due(packets, 0, 3.0) == 1
    assert pacer.wait_s(51, 3.0) == 1.0


def test_a_late_process_catches_up_by_one_second_at_most() -> None:
    pacer = Pacer()
    packets = at(0, *(0.1 * n for n in range(1, 100)))
    assert pacer.due(packets, 0, 0.0) == 1
    caught_up = pacer.due(packets, 1, 5.0)
    sent_s = (caught_up - 1) * 0.1
    assert sent_s <= 0.1 + MAX_BURST_S + STEP_S + 1e-6
    assert pacer.wait_s(caught_up * 0.1, 5.0) > 0


def test_a_hole_too_long_to_be_meant_is_not_waited_for() -> None:
    pacer = Pacer()
    packets = at(0, MAX_AHEAD_S + 1)
    assert pacer.due(packets, 0, 0.0) == 1
    assert pacer.due(packets, 1, 0.0) == 2


def test_without_a_start_nothing_is_waited_for() -> None:
    assert Pacer().wait_s(0, 12.0) == 0.0
