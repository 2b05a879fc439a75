from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import StreamctlError
from streamctl.media.aac import split_adts
from streamctl.media.hevc import HevcConfig
from streamctl.media.mpegts.elementary import CODECS, Elementary, elementary
from streamctl.media.mpegts.psi import StreamType
from streamctl.media.nal import join_length_prefixed, split_annexb, split_length_prefixed
from streamctl.media.packet import Codec, Kind, Packet, Track
from tests.streamctl.media.h264.sets import PPS, SPS_720P
from tests.streamctl.media.hevc.sets import PPS as PPS_HEVC
from tests.streamctl.media.hevc.sets import SPS, VPS, slice_of
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    VIDEO,
    Pes,
    TsPacket,
    picture,
    read_pes,
    sound,
)
from tests.streamctl.media.test_opus import STEREO, SURROUND

DELIMITER = b"\x09\xf0"
HVCC = HevcConfig.from_parameter_sets([VPS], [SPS], [PPS_HEVC]).serialize()
HEVC = Track(0, Codec.HEVC, HVCC)
OPUS = Track(0, Codec.OPUS, STEREO)


def stream_of(track: Track) -> Elementary:
    stream = elementary(track)
    assert stream is not None
    return stream


def written(track: Track, packet: Packet) -> Pes:
    return read_pes(stream_of(track).pes(packet), TsPacket(0, True, 0, b"", b""))


def test_parameter_sets_stand_before_each_random_access_point() -> None:
    packet = picture(3600, key=True)
    pes = written(VIDEO, packet)
    assert (pes.stream_id, pes.length, pes.pts, pes.dts) == (0xE0, 0, 3600, 3600)
    assert split_annexb(pes.payload) == [
        DELIMITER,
        SPS_720P,
        PPS,
        *split_length_prefixed(packet.data),
    ]


def test_other_pictures_have_a_delimiter_only() -> None:
    packet = picture(3600, pts=10_800)
    pes = written(VIDEO, packet)
    assert (pes.pts, pes.dts) == (10_800, 3600)
    assert split_annexb(pes.payload) == [DELIMITER, *split_length_prefixed(packet.data)]


def test_hevc_has_its_own_delimiter_and_sets() -> None:
    data = join_length_prefixed([slice_of(19)])
    pes = written(HEVC, Packet(0, 7200, 3600, Kind.KEY, 0, data))
    assert (pes.stream_id, pes.pts, pes.dts) == (0xE0, 7200, 3600)
    assert split_annexb(pes.payload) == [b"\x46\x01\x50", VPS, SPS, PPS_HEVC, slice_of(19)]
    pes = written(HEVC, Packet(0, 7200, 7200, Kind.P, 0, data))
    assert split_annexb(pes.payload) == [b"\x46\x01\x50", slice_of(19)]
    assert stream_of(HEVC).stream_type == 0x24


@pytest.mark.parametrize(
    ("codec", "kind", "descriptors"),
    [(Codec.AC3, 0x81, b"\x05\x04AC-3"), (Codec.EAC3, 0x87, b"\x05\x04EAC3")],
)
def test_dolby_frames_stay_as_they_are(codec: Codec, kind: int, descriptors: bytes) -> None:
    track = Track(0, codec, b"")
    stream = stream_of(track)
    assert (stream.stream_type, stream.descriptors) == (kind, descriptors)
    pes = written(track, sound(90))
    assert (pes.stream_id, pes.pts, pes.payload) == (0xBD, 90, sound(90).data)


@pytest.mark.parametrize(("head", "channels"), [(STEREO, 2), (SURROUND, 6)])
def test_opus_channels_are_described(head: bytes, channels: int) -> None:
    stream = stream_of(Track(0, Codec.OPUS, head))
    assert stream.stream_type == 0x06
    assert stream.descriptors == b"\x05\x04Opus" + b"\x7f\x02\x80" + bytes((channels,))


@pytest.mark.parametrize(
    ("size", "control"),
    [(0, b"\0"), (254, b"\xfe"), (255, b"\xff\0"), (600, b"\xff\xff\x5a")],
)
def test_opus_packets_stand_behind_their_size(size: int, control: bytes) -> None:
    packet = Packet(0, 90, 90, Kind.AUDIO, 0, bytes(size))
    pes = written(OPUS, packet)
    assert (pes.stream_id, pes.payload) == (0xBD, b"\x7f\xe0" + control + packet.data)


def test_aac_is_framed_by_adts() -> None:
    pes = written(AUDIO, sound(960))
    assert (pes.stream_id, pes.pts, pes.length) == (0xC0, 960, 8 + 7 + 300)
    (frame,) = split_adts(pes.payload)
    assert frame.data == sound(960).data
    assert (frame.config.core_rate, frame.config.channels) == (48_000, 2)


@pytest.mark.parametrize(
    ("rate", "kind"),
    [
        (48_000, StreamType.MPEG1_AUDIO),
        (24_000, StreamType.MPEG2_AUDIO),
        (0, StreamType.MPEG1_AUDIO),
    ],
)
def test_mp3_frames_stay_as_they_are(rate: int, kind: StreamType) -> None:
    track = Track(0, Codec.MP3, b"", sample_rate=rate)
    assert stream_of(track).stream_type is kind
    pes = written(track, sound(0))
    assert (pes.stream_id, pes.payload) == (0xC0, sound(0).data)


@pytest.mark.parametrize(
    ("track", "packet"),
    [
        (VIDEO, replace(picture(0), data=b"\0\0\1\0\x41")),
        (AUDIO, sound(0, size=8185)),
        (Track(0, Codec.MP3, b""), sound(0, size=65_528)),
        (OPUS, sound(0, size=65_270)),
    ],
)
def test_damaged_and_oversize_units_are_refused(track: Track, packet: Packet) -> None:
    with pytest.raises(StreamctlError):
        stream_of(track).pes(packet)


@pytest.mark.parametrize(
    "track",
    [
        Track(0, Codec.VP8, b""),
        Track(0, Codec.H264),
        Track(0, Codec.H264, b"\x01\x64"),
        Track(0, Codec.AAC),
        Track(0, Codec.AAC, bytes.fromhex("1194")),
        Track(0, Codec.AAC, b"\x11\x80"),
        Track(0, Codec.HEVC, b"\x01"),
        Track(0, Codec.OPUS, b"OpusHead"),
        Track(0, Codec.OPUS, SURROUND[:-1] + b"\4"),
        Track(0, Codec.FLAC, b""),
        Track(0, Codec.AV1, b""),
    ],
)
def test_tracks_that_can_not_be_carried_have_no_stream(track: Track) -> None:
    assert elementary(track) is None


def test_the_largest_frames_are_carried() -> None:
    assert len(written(AUDIO, sound(0, size=8184)).payload) == 8191
    track = Track(0, Codec.MP3, b"")
    assert len(written(track, Packet(0, 0, 0, Kind.AUDIO, 0, bytes(65_527))).payload) == 65_527
    assert Codec.MP3 in CODECS
