"""What receivers are told of tracks, and which others they can play."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import Unsupported
from streamctl.media.packet import Codec, Init, Track
from streamctl.media.rtp.announced import alike, described, left_out, unknown
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO, avcc


def init(*tracks: Track) -> Init:
    return Init(1, 1, tracks)


def test_pictures_come_first_whatever_their_source() -> None:
    one = described(init(VIDEO, AUDIO))
    other = described(init(replace(AUDIO, id=0), replace(VIDEO, id=1)))
    assert [(track.index, track.id, track.media) for track in other] == [
        (0, 1, "video"),
        (1, 0, "audio"),
    ]
    assert alike(one, other)


def test_tracks_without_a_configuration_are_not_described() -> None:
    assert described(init(Track(0, Codec.H264), Track(1, Codec.DATA, b""))) == []


def test_tracks_that_have_yet_to_tell_their_configuration_are_unknown() -> None:
    assert unknown(init(VIDEO, Track(1, Codec.AAC)))
    assert not unknown(init(VIDEO, AUDIO, Track(2, Codec.DATA, b""), Track(3, Codec.FLAC)))


@pytest.mark.parametrize(
    ("tracks", "same"),
    [
        ((replace(VIDEO, config=avcc(b"\x68\xeb\xe3\xcb\x22\xc1")), AUDIO), True),
        ((VIDEO,), False),
        ((VIDEO, replace(AUDIO, sample_rate=44_100)), False),
        ((VIDEO, replace(AUDIO, config=bytes.fromhex("1188"))), False),
        ((AUDIO, AUDIO), False),
    ],
)
def test_who_knows_some_tracks_can_play_others_that_are_alike(
    tracks: tuple[Track, ...], same: bool
) -> None:
    assert alike(described(init(VIDEO, AUDIO)), described(init(*tracks))) is same


def test_what_is_left_out_is_named() -> None:
    flac = Track(2, Codec.FLAC, bytes(34), sample_rate=48_000, channels=2)
    stream = init(VIDEO, AUDIO, flac)
    assert left_out(stream, described(stream)) == "FLAC"
    assert left_out(init(VIDEO, AUDIO), described(init(VIDEO, AUDIO))) == ""


@pytest.mark.parametrize(
    "tracks", [(Track(0, Codec.MPEG2, b""), AUDIO), (replace(AUDIO, codec=Codec.FLAC),)]
)
def test_a_stream_of_which_nothing_would_be_seen_is_refused(tracks: tuple[Track, ...]) -> None:
    with pytest.raises(Unsupported, match="RTP can't carry"):
        left_out(init(*tracks), described(init(*tracks)))


def test_a_sound_is_the_same_however_its_configuration_ends() -> None:
    assert AUDIO.config
    longer = replace(AUDIO, config=AUDIO.config[:2] + bytes.fromhex("56e500"))
    shorter = replace(AUDIO, config=AUDIO.config[:2])
    mono = replace(AUDIO, config=bytes.fromhex("1188"))
    plain = described(Init(1, 1, (VIDEO, shorter)))
    assert alike(plain, described(Init(1, 1, (VIDEO, longer))))
    assert not alike(plain, described(Init(1, 1, (VIDEO, mono))))
