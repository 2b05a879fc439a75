from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamctl.avworker.interleave import MAX_HELD, MAX_SPAN, Interleaver
from streamctl.media.packet import Kind, Packet


def packet(track: int, dts: int) -> Packet:
    return Packet(track, dts, dts, Kind.P if track == 0 else Kind.AUDIO, 0, b"")


def order(packets: list[Packet]) -> list[tuple[int, int]]:
    return [(each.track, each.dts) for each in packets]


def test_late_audio_is_sorted_in() -> None:
    interleaver = Interleaver([0, 1])
    out = []
    for track, dts in [(0, 0), (0, 10), (0, 20), (1, 0), (1, 15), (0, 30)]:
        out += interleaver.push(packet(track, dts))
    out += interleaver.flush()
    assert [dts for _, dts in order(out)] == [0, 0, 10, 15, 20, 30]


def test_one_track_passes_through() -> None:
    interleaver = Interleaver([3])
    assert order(interleaver.push(packet(3, 5))) == [(3, 5)]


def test_a_silent_track_is_not_waited_for_long() -> None:
    interleaver = Interleaver([0, 1])
    assert interleaver.push(packet(0, 0)) == []
    assert interleaver.push(packet(0, MAX_SPAN)) == []
    assert order(interleaver.push(packet(0, MAX_SPAN + 1))) == [(0, 0)]


def test_the_number_of_held_packets_is_bounded() -> None:
    interleaver = Interleaver([0, 1])
    held = sum(1 - len(interleaver.push(packet(0, 7))) for _ in range(3 * MAX_HELD))
    assert held == MAX_HELD


def test_after_a_flush_the_span_begins_anew() -> None:
    interleaver = Interleaver([0, 1])
    interleaver.push(packet(0, 10 * MAX_SPAN))
    interleaver.flush()
    assert interleaver.push(packet(0, 0)) == []


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-(1 << 40), 1 << 40)), max_size=60))
def test_nothing_is_lost_and_tracks_keep_their_order(items: list[tuple[int, int]]) -> None:
    interleaver = Interleaver([0, 1])
    out = []
    for track, dts in items:
        out += interleaver.push(packet(track, dts))
    out += interleaver.flush()
    for track in (0, 1):
        assert [d for t, d in order(out) if t == track] == [d for t, d in items if t == track]
