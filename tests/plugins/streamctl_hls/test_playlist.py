from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.packet import Codec, Init, Track
from streamctl_hls.playlist import (
    Listing,
    login_in,
    media_playlist,
    multivariant_playlist,
    with_login,
)
from tests.plugins.streamctl_hls.chunks import AUDIO_ONLY, AV, segment

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


def listing(*, independent: bool = True) -> Listing:
    first = segment(41, end=180_180, wall=1.7e9)
    second = segment(42, start=900_000, end=903_003, wall=1.7e9 + 11.25, cut=True)
    first.discontinuity_sequence, second.discontinuity_sequence = 9, 10
    return Listing([first, second], 2, independent=independent)


def test_a_media_playlist_says_what_is_listed() -> None:
    assert media_playlist(listing(), "hls/") == MEDIA


def test_the_discontinuity_sequence_counts_what_left() -> None:
    both = listing()
    later = Listing(both.segments[1:], 2, independent=True)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:9\n#EXT" in media_playlist(later, "")


def test_independence_is_not_claimed_after_a_forced_cut() -> None:
    assert "INDEPENDENT" not in media_playlist(listing(independent=False), "hls/")


@pytest.mark.parametrize(
    ("keys", "offset"),
    [
        ([1, 0, 1, 0, 0, 1, 0], "-9.990"),
        ([1, 0, 1, 1, 0, 0, 1], "-7.990"),
        ([0, 0, 0, 0, 1, 0, 0], "-5.990"),
        ([0, 0, 0, 0, 0, 1, 0], ""),
        ([0, 0, 0], ""),
    ],
)
def test_joiners_are_sent_to_the_newest_keyframe_that_is_old_enough(
    keys: list[int], offset: str
) -> None:
    segments = [segment(number, key=bool(key)) for number, key in enumerate(keys)]
    text = media_playlist(Listing(segments, 2, independent=False), "")
    tag = f"#EXT-X-START:TIME-OFFSET={offset}\n" if offset else ""
    assert tag in text
    assert text.count("#EXT-X-START") == bool(tag)


def test_joiners_begin_anywhere_while_every_segment_starts_with_a_keyframe() -> None:
    segments = [segment(number) for number in range(8)]
    assert "#EXT-X-START" not in media_playlist(Listing(segments, 2, independent=True), "")


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


def test_a_login_follows_to_every_uri_and_nowhere_else() -> None:
    text = with_login(MEDIA, login_in({"key": "a b&\n#", "t": "1", "user": ""}))
    assert text.count("?key=a%20b%26%0A%23\n") == 2
    assert text.replace("?key=a%20b%26%0A%23", "") == MEDIA


def test_a_name_and_a_password_follow_too() -> None:
    assert login_in({"pass": "p/w", "user": "ü", "x": "y"}) == "user=%C3%BC&pass=p%2Fw"
    assert login_in({"x": "y"}) == ""
