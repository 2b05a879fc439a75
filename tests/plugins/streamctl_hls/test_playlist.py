from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.packet import Codec, Init, Track
from streamctl_hls.playlist import (
    media_playlist,
    multivariant_playlist,
    segment_name,
    segment_number,
    with_key,
)
from streamctl_hls.segment import Segment
from streamctl_hls.window import Window
from tests.plugins.streamctl_hls.chunks import AUDIO_ONLY, AV

MEDIA = """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-DISCONTINUITY-SEQUENCE:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:2.002000,
hls/s5_41.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:31.250Z
#EXTINF:0.033367,
hls/s5_42.ts
"""


def window() -> Window:
    first = Segment(41, 0, 180_180, (b"x",), 1, 1.7e9, discontinuity=False, independent=True)
    second = Segment(
        42, 900_000, 903_003, (b"x",), 1, 1.7e9 + 11.25, discontinuity=True, independent=True
    )
    window = Window(12, 9)
    window.add([first, second], 2)
    return window


def test_a_media_playlist_says_what_is_listed() -> None:
    text = media_playlist(window(), target_s=2, independent=True, generation=5, folder="hls/")
    assert text == MEDIA


def test_independence_is_not_claimed_after_a_forced_cut() -> None:
    text = media_playlist(window(), target_s=2, independent=False, generation=5, folder="hls/")
    assert "INDEPENDENT" not in text


def test_the_multivariant_playlist_describes_the_tracks() -> None:
    init = Init(1, 1, (*AV, Track(2, Codec.DATA)))
    text = multivariant_playlist(init, peak_bps=1000, average_bps=900, uri="main.m3u8")
    assert text == (
        "#EXTM3U\n#EXT-X-VERSION:3\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=1200,AVERAGE-BANDWIDTH=900,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000\n'
        "main.m3u8\n"
    )


def test_audio_only_has_no_picture_attributes() -> None:
    text = multivariant_playlist(
        Init(1, 1, AUDIO_ONLY), peak_bps=10, average_bps=10, uri="main.m3u8"
    )
    assert 'AVERAGE-BANDWIDTH=10,CODECS="mp4a.40.2"\n' in text


def test_what_is_unknown_is_left_out() -> None:
    plain = Init(1, 1, (replace(AV[0], width=0, height=0, fps=0.0),))
    text = multivariant_playlist(plain, peak_bps=0, average_bps=0, uri="m")
    assert text.splitlines()[2] == (
        '#EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS="avc1.64001f"'
    )
    empty = multivariant_playlist(Init(1, 1, ()), peak_bps=0, average_bps=0, uri="m")
    assert "CODECS" not in empty
    bare = multivariant_playlist(None, peak_bps=0, average_bps=0, uri="m")
    assert "CODECS" not in bare


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("s5_42.ts", 42),
        ("s5_042.ts", None),
        ("s6_42.ts", None),
        ("s5_42", None),
        ("s5_.ts", None),
        ("s5_²2.ts", None),
        ("s5_" + "9" * 5000 + ".ts", None),
        ("../s5_42.ts", None),
        ("", None),
    ],
)
def test_only_the_exact_name_of_a_segment_is_one(name: str, number: int | None) -> None:
    assert segment_number(name, 5) == number
    if number is not None:
        assert segment_name(5, number) == name


def test_a_key_follows_to_every_uri_and_nowhere_else() -> None:
    text = with_key(MEDIA, "a b&\n#")
    assert text.count("?key=a%20b%26%0A%23\n") == 2
    assert text.replace("?key=a%20b%26%0A%23", "") == MEDIA
