"""One track that comes in."""

from __future__ import annotations

import pytest

from streamctl.media.flv import FRAME, Tag
from streamctl.media.flv_incoming import IncomingTrack, refuse, track_id
from streamctl.media.flv_metadata import Facts
from streamctl.media.packet import Codec, Kind, Media
from streamctl.media.reader import Unit
from tests.plugins.streamctl_rtmp.world import ASC, avcc


def incoming(codec: Codec, record: bytes) -> IncomingTrack:
    track = IncomingTrack(codec.media, 0, codec)
    assert track.configure(record)
    track.describe(Facts())
    track.regrid()
    return track


def tag(cts: int = 0, nanos: int = 0) -> Tag:
    return Tag(FRAME, None, "", False, cts, b"", nanos=nanos)


def times(track: IncomingTrack, *frames: tuple[int, int]) -> list[tuple[int, int]]:
    """Decoding and presentation times of frames with a timestamp and an offset each."""
    placed = [track.place(Unit(b"x", Kind.P), tag(cts), ms) for ms, cts in frames]
    return [(packet.dts, packet.pts) for packet in placed]


def test_tracks_are_numbered_by_medium() -> None:
    ids = [track_id(media, number) for number in (0, 1) for media in (Media.VIDEO, Media.AUDIO)]
    assert ids == [0, 1, 2, 3]


def test_metadata_fills_in_what_the_configuration_does_not_tell() -> None:
    track = IncomingTrack(Media.AUDIO, 1, Codec.AAC)
    said = track.describe(Facts(Codec.AAC, sample_rate=44_100, channels=6, bitrate=64_000))
    assert (said.config, said.sample_rate, said.channels) == (None, 44_100, 6)
    assert track.configure(ASC)
    assert not track.configure(ASC)
    known = track.describe(Facts(Codec.AAC, sample_rate=44_100, channels=6, bitrate=64_000))
    assert (known.config, known.sample_rate, known.channels) == (ASC, 48_000, 2)
    assert (known.id, known.bitrate) == (3, 64_000)


def test_an_empty_opus_start_means_one_plain_stream() -> None:
    track = incoming(Codec.OPUS, b"")
    assert (track.track.sample_rate, track.track.channels) == (48_000, 2)


def test_rounded_pictures_go_back_to_the_grid() -> None:
    track = incoming(Codec.H264, avcc())
    frames = times(track, (0, 80), (40, 160), (79, 81), (121, 0), (160, -40))
    assert frames == [(0, 7200), (3600, 18_000), (7200, 14_400), (10_800, 10_800), (14_400, 14_400)]


def test_a_frame_off_the_grid_stays_where_it_is() -> None:
    track = incoming(Codec.H264, avcc())
    assert times(track, (0, 0), (50, 17)) == [(0, 0), (4500, 6030)]


def test_nanoseconds_are_ticks() -> None:
    track = incoming(Codec.OPUS, b"")
    packet = track.place(Unit(b"x", Kind.AUDIO, dur=1800), tag(nanos=500_000), 10)
    assert (packet.pts, packet.dts, packet.dur) == (945, 945, 1800)


@pytest.mark.parametrize(
    ("media", "choice"), [(Media.VIDEO, "or VP9"), (Media.AUDIO, "use AAC, Opus")]
)
def test_a_refusal_names_what_can_be_used(media: Media, choice: str) -> None:
    error = refuse("Speex", media, "RTMP")
    assert error.message.startswith(f"Speex {media} can't come in")
    assert choice in error.message
