from __future__ import annotations

import pytest

from streamctl.schema import TrackStatus
from streamctl.tui import format as show
from tests.support.control import session, stream


@pytest.mark.parametrize(
    ("kbps", "text"), [(0, ""), (128.4, "128 kbit/s"), (2628, "2.63 Mbit/s"), (-1, "")]
)
def test_bitrate(kbps: float, text: str) -> None:
    assert show.bitrate(kbps) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (7_000_000, "7.0 MB"), (10**13, "10.0 TB")],
)
def test_size(count: int, text: str) -> None:
    assert show.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, ""), (5, "00:05"), (65.9, "01:05"), (3725, "1:02:05"), (100 * 3600, "4d 04h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert show.duration(seconds) == text


def test_a_state_is_told_by_word_and_colour() -> None:
    assert show.state("degraded").plain == "● degraded"
    assert show.state("degraded").style != show.state("active").style


def test_terminal_sequences_are_made_visible() -> None:
    assert show.clean("a\x1b]0;evil\x07\r\nb\u202e") == "a�]0;evil���b�"


def test_the_picture_is_short() -> None:
    assert show.picture(stream("news")) == "h264 720p"
    assert show.picture(stream("news", "stopped")) == ""


def test_a_track_says_what_is_known_of_it() -> None:
    video, audio = stream("news").media.tracks
    assert show.track(video) == "h264 1280x720 25 fps 2.50 Mbit/s"
    assert show.track(audio) == "aac 48 kHz stereo 128 kbit/s"
    assert show.track(TrackStatus(id=1, media="audio", codec="aac", channels=6)) == "aac 6 ch"


def test_a_slow_viewer_stands_out() -> None:
    calm, slow = session("a", lag_s=0.2), session("b", lag_s=5.2, skips=3, skipped_s=9.4)
    assert show.lag(calm).style == ""
    assert show.lag(slow).style == show.WARN
    assert show.skips(calm).plain == ""
    assert show.skips(slow).plain == "3 (9 s)"
    assert show.lag(session("c", action="publish")).plain == ""
