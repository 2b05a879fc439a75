"""Decoding times out of presentation times: rising, never late, and as deep as need be."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamctl.media.h264 import AvcConfig
from streamctl.media.packet import Codec, Kind, Packet, Track
from streamctl.media.rtp.decode_order import MAX_DEPTH, DecodeOrder, reorder

BASELINE_SPS = bytes.fromhex("6742c01eda02d0f6c044000003000400000300f23c58ba80")
PYRAMID_SPS = bytes.fromhex(
    "6764001eacd940d83de6f011000003000100000300 30 0f162d96".replace(" ", "")
)
PPS = bytes.fromhex("68ebe3cb22c0")
FRAME = 3600


def picture(pts: int) -> Packet:
    return Packet(0, pts, 0, Kind.P, 0, b"")


def track(sps: bytes | None) -> Track:
    config = AvcConfig.from_parameter_sets([sps], [PPS]).serialize() if sps else None
    return Track(0, Codec.H264, config, fps=25.0)


def dts_of(order: DecodeOrder, *frames: int) -> list[float]:
    packets = [picture(frame * FRAME) for frame in frames]
    for packet in packets:
        order.take(packet)
    return [packet.dts / FRAME for packet in packets]


def test_pictures_that_are_shown_as_they_come_are_decoded_then() -> None:
    order = DecodeOrder()
    order.configure(track(BASELINE_SPS))
    assert (order.limit, order.unsure) == (0, False)
    assert dts_of(order, 0, 1, 2, 5) == [0, 1, 2, 5]


def test_the_depth_comes_from_the_parameter_sets() -> None:
    order = DecodeOrder()
    order.configure(track(PYRAMID_SPS))
    assert (order.limit, order.depth, order.unsure) == (2, 2, False)
    assert dts_of(order, 0, 4, 2, 1, 3, 8, 6, 5, 7) == [-2, -1, 0, 1, 2, 3, 4, 5, 6]


def test_codecs_without_reordering_are_left_alone() -> None:
    assert reorder(Track(0, Codec.AV1, b"")) == (0, True)
    assert reorder(Track(0, Codec.H264, b"junk")) == (MAX_DEPTH, False)
    assert reorder(Track(0, Codec.HEVC, b"junk")) == (MAX_DEPTH, False)
    assert reorder(Track(0, Codec.H264)) == (MAX_DEPTH, False)


def test_the_order_of_the_first_pictures_shows_the_depth() -> None:
    order = DecodeOrder()
    order.configure(track(None))
    assert order.unsure
    frames = (0, 4, 2, 1, 3, 8, 6, 5)
    order.learn(frame * FRAME for frame in frames)
    assert not order.unsure
    assert order.depth == 2
    assert dts_of(order, *frames) == [-2, -1, 0, 1, 2, 3, 4, 5]


def test_pictures_in_order_have_no_depth() -> None:
    order = DecodeOrder()
    order.configure(track(None))
    order.learn(frame * FRAME for frame in range(8))
    assert dts_of(order, *range(10)) == list(range(10))


def test_a_depth_that_shows_late_is_learned() -> None:
    order = DecodeOrder()
    order.configure(track(None))
    order.learn([])
    frames = [0, 1, 2, 3, 6, 4, 5, 9, 7, 8, 12, 10, 11]
    found = dts_of(order, *frames)
    assert all(later > earlier for earlier, later in pairwise(found))
    assert all(dts <= pts for dts, pts in zip(found[7:], frames[7:], strict=True))
    assert found[-1] == pytest.approx(11, abs=0.01)


def test_a_lost_picture_disturbs_nothing() -> None:
    order = DecodeOrder()
    order.configure(track(PYRAMID_SPS))
    frames = [0, 4, 2, 1, 3, 6, 5, 7, 12, 10, 9, 11]
    found = dts_of(order, *frames)
    assert all(later > earlier for earlier, later in pairwise(found))
    assert all(dts <= pts for dts, pts in zip(found, frames, strict=True))


@pytest.mark.parametrize("frames", [(100, 104, 102), (1, 5, 3)])
def test_a_jump_begins_anew(frames: tuple[int, ...]) -> None:
    order = DecodeOrder()
    order.configure(track(PYRAMID_SPS))
    dts_of(order, 1000, 1004, 1002)
    first = frames[0]
    assert dts_of(order, *frames) == [first - 2, first - 1, first]


def test_a_new_source_begins_anew() -> None:
    order = DecodeOrder()
    order.configure(track(PYRAMID_SPS))
    dts_of(order, 10, 14, 12)
    order.reset()
    assert dts_of(order, 11, 15, 13) == [9, 10, 11]


def test_other_parameter_sets_change_the_depth() -> None:
    order = DecodeOrder()
    order.configure(track(PYRAMID_SPS))
    dts_of(order, 0, 4, 2, 1, 3)
    order.configure(track(BASELINE_SPS))
    assert order.depth == 0
    assert dts_of(order, 5, 6) == [5, 6]
    order.configure(track(PYRAMID_SPS))
    found = dts_of(order, 7, 11, 9, 8, 10, 15, 13)
    assert found[-1] == 11
    assert all(later > earlier for earlier, later in pairwise(found))
