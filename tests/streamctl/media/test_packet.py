from __future__ import annotations

import pytest

from streamctl.media.packet import DATA_CODECS, VIDEO_CODECS, Codec, Init, Media, Track

VIDEO, FIRST, SECOND = Track(0, Codec.H264), Track(3, Codec.AAC), Track(4, Codec.OPUS)
INIT = Init(1, 7, (VIDEO, FIRST, SECOND))


@pytest.mark.parametrize("codec", Codec)
def test_each_codec_has_a_medium(codec: Codec) -> None:
    wanted = Media.VIDEO if codec in VIDEO_CODECS else Media.AUDIO
    assert Track(0, codec).media is (Media.DATA if codec in DATA_CODECS else wanted)


def test_tracks_are_found_by_number_and_medium() -> None:
    assert INIT.track(4) is SECOND
    assert INIT.track(1) is None
    assert INIT.first(Media.AUDIO) is FIRST
    assert INIT.first(Media.DATA) is None


def test_another_version_has_the_same_tracks() -> None:
    assert INIT.with_version(2) == Init(2, 7, INIT.tracks)
