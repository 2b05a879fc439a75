from __future__ import annotations

from streamctl.media.aac import AacReader
from streamctl.media.packet import Codec, Track
from streamctl.media.unit import Facts

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
