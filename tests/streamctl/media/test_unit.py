from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.aac import AacReader
from streamctl.media.h264 import H264Reader
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import Codec, Track
from streamctl.media.unit import MAX_CONFIG_BYTES, Facts
from tests.streamctl.media.h264.sets import PPS, SPS_MAIN

DECLARED = Track(0, Codec.H264, width=640, height=360, fps=50.0, sample_rate=8000, channels=1)


def test_what_is_told_replaces_what_was_declared_but_the_frame_rate() -> None:
    told = Facts("x", "X", 1280, 720, 25.0, 48_000, 2).complete(DECLARED)
    assert (told.width, told.height, told.fps) == (1280, 720, 50.0)
    assert (told.sample_rate, told.channels) == (48_000, 2)
    assert Facts("x", "X").complete(DECLARED) == DECLARED


def test_a_told_frame_rate_is_rounded_to_thousandths() -> None:
    assert Facts("x", "X", fps=30_000 / 1001).complete(Track(0, Codec.H264)).fps == 29.97


def test_the_same_configuration_with_other_facts_is_news() -> None:
    reader = AacReader()
    assert reader.adopt(b"", Facts("x", "X")) == b""
    assert reader.adopt(b"", Facts("x", "X")) is None
    assert reader.adopt(b"", Facts("x", "X", channels=2)) == b""


def test_a_configuration_larger_than_any_real_one_is_refused() -> None:
    reader = AacReader()
    with pytest.raises(RemoteProtocolError):
        reader.configure(b"\x12\x10" + bytes(MAX_CONFIG_BYTES))
    assert reader.config is None


def test_sets_that_make_a_configuration_too_large_change_nothing() -> None:
    reader = H264Reader()
    config = reader.configure(b"\0\0\0\1" + SPS_MAIN + b"\0\0\0\1" + PPS)
    reader.byte_stream, reader.length_size = False, 4
    large = [bytes((0x68, 0x40 | number << 4)) + bytes(0x8000) for number in (0, 2)]
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            reader.unit(join_length_prefixed(large))
    assert reader.config == config
