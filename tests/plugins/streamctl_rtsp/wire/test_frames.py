"""Runs of interleaved frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamctl_rtsp.wire.frames import Shared, Span, frame, moved, spans

RUN = frame(0, b"abc") + frame(2, b"") + frame(1, b"xy")


def test_a_run_is_taken_apart() -> None:
    assert spans(RUN) == [Span(0, 4, 7), Span(2, 11, 11), Span(1, 15, 17)]
    assert spans(b"") == []


def test_frames_move_to_other_channels_or_out() -> None:
    assert moved(RUN, {0: 8, 2: 2, 1: 9}) == frame(8, b"abc") + frame(2, b"") + frame(9, b"xy")
    assert moved(RUN, {2: 0}) == frame(0, b"")
    assert moved(RUN, {}) == b""


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=400)), max_size=12))
def test_any_run_comes_out_as_it_went_in(frames: list[tuple[int, bytes]]) -> None:
    run = b"".join(frame(channel, data) for channel, data in frames)
    assert [(one.channel, run[one.start : one.end]) for one in spans(run)] == frames
    assert moved(run, {channel: channel for channel in range(256)}) == run


def test_what_is_made_of_a_run_is_made_once() -> None:
    made: list[bytes] = []

    def make(data: bytes) -> int:
        made.append(data)
        return len(data)

    shared = Shared(make)
    one, other = b"one" * 2, b"other" * 2
    assert [shared.of(one), shared.of(one), shared.of(other), shared.of(one)] == [6, 6, 10, 6]
    assert made == [one, other, one]
