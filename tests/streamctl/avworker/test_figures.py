from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.avworker.figures import kbps, level_of, start_offset_ms
from streamctl.avworker.report import TimestampReport, TrackReport

if TYPE_CHECKING:
    from typing import Literal


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("avc1.64001f", "3.1"),
        ("hvc1.1.6.L93.B0", "3.1"),
        ("av01.0.04M.08", "3.0"),
        ("av01.0.31M.10", ""),
        ("vp09.00.31.08", "3.1"),
        ("mp4a.40.2", ""),
        ("", ""),
    ],
)
def test_levels_are_spelt_as_usual(name: str, level: str) -> None:
    assert level_of(name) == level


def track(media: Literal["video", "audio"], first_s: float | None) -> TrackReport:
    times = TimestampReport(first_pts_s=first_s)
    return TrackReport(id=0, media=media, codec="x", carried=True, timestamps=times)


def test_sound_is_compared_with_the_first_picture() -> None:
    found = [track("video", 1.0), track("audio", 1.25), track("audio", 9.0)]
    assert start_offset_ms(found) == 250.0
    assert start_offset_ms([track("video", None), track("audio", 1.0)]) is None
    assert start_offset_ms(found[:1]) is None


def test_a_rate_takes_time() -> None:
    assert kbps(1000, 2.0) == 4.0
    assert kbps(1000, 0.0) == 0.0
