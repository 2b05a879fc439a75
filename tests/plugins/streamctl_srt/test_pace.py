from __future__ import annotations

import pytest

from streamctl_srt.pace import BACK_OFF, LEAST, UNKNOWN_RTT_MS, Pace
from streamctl_srt.structs import Perf

MEDIA = 250_000.0


class Line:
    """A second after the other of a connection's counters."""

    def __init__(self, rtt_ms: float = 20.0) -> None:
        self.perf = Perf()
        self.now = 0.0
        self.pace = Pace()
        self.second(0, 0, rtt_ms)

    def second(self, sent: int, lost: int, rtt_ms: float) -> float:
        self.now += 1
        self.perf.pktSentTotal += sent
        self.perf.pktSndLossTotal += lost
        self.perf.byteSentTotal += sent * 1000
        self.perf.msRTT = rtt_ms
        self.pace.look(self.perf, self.now)
        return self.pace.rate(MEDIA)


def test_a_good_line_gets_twice_the_rate_of_the_media() -> None:
    line = Line()
    assert [line.second(250, 0, 21.0) for _ in range(3)] == [2 * MEDIA] * 3
    assert line.pace.rate(0.0) == 0.0
    assert line.pace.rate(1.0) == LEAST


@pytest.mark.parametrize(
    ("sent", "lost", "rtt_ms"),
    [
        (250, 100, 22.0),  # a line that loses much, without anything waiting
        (250, 2, 400.0),  # packets wait, but arrive
        (10, 9, 400.0),  # too few to tell
    ],
)
def test_one_sign_alone_slows_nobody_down(sent: int, lost: int, rtt_ms: float) -> None:
    assert Line().second(sent, lost, rtt_ms) == 2 * MEDIA


def test_a_round_trip_that_was_never_measured_is_not_the_shortest() -> None:
    line = Line(UNKNOWN_RTT_MS)
    assert [line.second(100, 8, 262.0) for _ in range(3)] == [2 * MEDIA] * 3


def test_a_line_that_is_full_from_the_start_is_told_by_its_losses() -> None:
    line = Line(UNKNOWN_RTT_MS)
    assert line.second(100, 30, 800.0) < 2 * MEDIA


def test_a_longer_route_is_not_for_ever_a_narrow_one() -> None:
    line = Line()
    assert line.second(100, 8, 262.0) < 2 * MEDIA
    for _ in range(300):
        line.second(100, 0, 262.0)
    assert line.second(100, 8, 262.0) == 2 * MEDIA


def test_a_narrow_line_gets_less_than_what_arrived() -> None:
    line = Line()
    assert line.second(300, 150, 600.0) == pytest.approx(150_000 * BACK_OFF)
    assert line.second(150, 50, 600.0) == pytest.approx(100_000 * BACK_OFF)
    assert line.second(30, 30, 600.0) == LEAST


def test_it_is_tried_with_more_little_by_little_until_there_is_no_limit() -> None:
    line = Line()
    limited = line.second(300, 150, 600.0)
    rates = [line.second(150, 0, 25.0) for _ in range(60)]
    assert rates[0] == pytest.approx(limited * 1.05)
    assert rates == sorted(rates)
    assert rates[-1] == 2 * MEDIA
    assert line.pace.limit == 0.0
