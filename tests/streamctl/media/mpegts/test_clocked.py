from __future__ import annotations

import pytest

from streamctl.media.mpegts.clocked import MAX_SILENCE_BYTES, Segment, Segmenter, clocks
from tests.support.ts_build import NULL_PACKET, PACKET, WRAP, Writer

SECOND = 27_000_000


def stream(*clock_s: float, between: int = 9, pid: int = 256) -> bytes:
    """Packets with nothing but a clock, and so many others behind each."""
    writer = Writer()
    for each in clock_s:
        writer.clock = round(each * SECOND)
        writer.clock_only(pid)
        writer.packets += [NULL_PACKET] * between
    return b"".join(writer.packets)


def times(segments: list[Segment]) -> list[tuple[float, float, int]]:
    return [(round(one.begin_s, 6), round(one.end_s, 6), one.count) for one in segments]


def test_packets_are_cut_at_the_clock() -> None:
    segmenter = Segmenter()
    found = segmenter.feed(stream(5, 5.04, 5.08))
    assert times(found) == [(0, 0.04, 10), (0.04, 0.08, 10)]
    assert times(segmenter.finish()) == [(0.08, 0.12, 10)]
    assert b"".join(one.data for one in found) == stream(5, 5.04)


@pytest.mark.parametrize("step", [1, 2, 3, 10, 11, 100])
def test_the_cuts_do_not_depend_on_the_blocks(step: int) -> None:
    data = stream(0, 0.1, 0.25, 0.3)
    segmenter = Segmenter()
    found = []
    for at in range(0, len(data), step * PACKET):
        found += segmenter.feed(data[at : at + step * PACKET])
    assert times(found + segmenter.finish())[:3] == [(0, 0.1, 10), (0.1, 0.25, 10), (0.25, 0.3, 10)]


def test_what_comes_before_the_first_clock_is_due_at_once() -> None:
    found = Segmenter().feed(NULL_PACKET * 3 + stream(7, 7.1))
    assert times(found) == [(0, 0, 3), (0, 0.1, 10)]


def test_the_clock_may_wrap() -> None:
    wrap_s = WRAP / 90_000
    found = Segmenter().feed(stream(wrap_s - 0.02, 0.02, 0.06))
    assert times(found) == [(0, 0.04, 10), (0.04, 0.08, 10)]


@pytest.mark.parametrize("after", [3.0, 100.0])
def test_a_jump_of_the_clock_keeps_the_rate(after: float) -> None:
    found = Segmenter().feed(stream(50, 50.1, after, after + 0.1))
    assert times(found) == [(0, 0.1, 10), (0.1, 0.2, 10), (0.2, 0.3, 10)]


def test_other_clocks_are_not_listened_to() -> None:
    one, other = stream(0, 0.1, 0.2, between=0), stream(70, 80, 90, between=0, pid=999)
    data = b"".join(
        one[at : at + PACKET] + other[at : at + PACKET] for at in range(0, len(one), PACKET)
    )
    assert times(Segmenter().feed(data)) == [(0, 0.1, 2), (0.1, 0.2, 2)]


def test_a_clock_that_falls_silent_is_replaced() -> None:
    segmenter = Segmenter()
    segmenter.feed(stream(0, 0.1))
    silence = NULL_PACKET * (MAX_SILENCE_BYTES // PACKET + 1)
    (long,) = segmenter.feed(silence)
    assert long.begin_s == pytest.approx(0.1)
    assert long.end_s - long.begin_s == pytest.approx(long.count * 0.01)
    assert times(segmenter.feed(stream(900, 900.5, pid=77)))[0][2] == 10
    assert segmenter.pid == 77
    assert segmenter.position_s == pytest.approx(long.end_s + 0.5)


def test_packets_of_a_segment_are_evenly_spread() -> None:
    segment = Segment(bytes(PACKET * 100), 1.0, 2.0)
    assert [segment.due(at) for at in (0.9, 1.0, 1.005, 1.5, 1.995, 2.0, 9.0)] == [
        *(0, 0, 1, 50, 100, 100, 100)
    ]
    assert segment.time(50) == 1.5
    assert Segment(bytes(PACKET), 1.0, 1.0).due(1.0) == 1


def test_clocks_are_found_with_place_pid_and_value() -> None:
    data = NULL_PACKET + stream(1, between=0)
    assert list(clocks(data)) == [(PACKET, 256, SECOND)]
