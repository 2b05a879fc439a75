"""The tags of an epoch, whatever they look like on the wire."""

from __future__ import annotations

from streamctl.media import amf0, flv_head
from streamctl.media.flv_packer import TagPacker, TagType, wrap
from streamctl.media.packet import Codec, Init, Kind, Packet, Track
from tests.streamctl.media.tags import PlainPacker, read

VIDEO = Track(0, Codec.H264, b"avcC", 320, 240)
AUDIO = Track(1, Codec.AAC, b"asc", sample_rate=48_000, channels=2)


def packer(*tracks: Track, base: int = 0, multitrack: bool = False) -> TagPacker:
    made = PlainPacker(base=base, multitrack=multitrack)
    made.use(Init(1, 1, tracks or (VIDEO, AUDIO)))
    return made


def test_headers_are_metadata_and_configurations() -> None:
    script, video, audio = read(packer().headers(90 * 1234))
    assert (script.kind, script.timestamp) == (TagType.SCRIPT, 0)
    name, values = amf0.decode(script.body)
    assert (name, values["width"], values["audiosamplerate"]) == ("onMetaData", 320.0, 48_000.0)
    assert (video.timestamp, video.body) == (1234, flv_head.AVC_CONFIG + b"avcC")
    assert (audio.timestamp, audio.body) == (1234, flv_head.AAC_CONFIG + b"asc")


def test_tracks_without_a_configuration_have_no_header() -> None:
    bare = packer(Track(0, Codec.H264, None), Track(1, Codec.AAC, b""))
    assert [tag.kind for tag in read(bare.headers(0))] == [TagType.SCRIPT]


def test_pictures_carry_decode_time_and_offset() -> None:
    made = packer(base=900)
    [tag] = read(made.message(Packet(0, 4500, 2700, Kind.KEY, 0, b"idr")))
    assert (tag.kind, tag.timestamp, tag.body) == (TagType.VIDEO, 20, b"\x17\x01\0\0\x14idr")
    [tag] = read(made.message(Packet(0, 2700, 2700, Kind.P, 0, b"p")))
    assert tag.body == b"\x27\x01\0\0\0p"


def test_sound_carries_its_time() -> None:
    [tag] = read(packer().message(Packet(1, 1800, 1800, Kind.AUDIO, 0, b"aac")))
    assert (tag.kind, tag.timestamp, tag.body) == (TagType.AUDIO, 20, b"\xaf\x01aac")


def test_other_tracks_are_left_out() -> None:
    made = packer(VIDEO)
    assert made.message(Packet(1, 0, 0, Kind.AUDIO, 0, b"aac")) == b""
    assert packer(AUDIO).message(Packet(0, 0, 0, Kind.KEY, 0, b"idr")) == b""


def test_timestamps_have_32_bits_and_never_lie_before_the_base() -> None:
    assert wrap(-1) == 0
    assert wrap((1 << 32) + 7) == 7
    assert packer(base=90_000).timestamp(0) == 0


def test_codecs_that_are_never_reordered_carry_presentation_time() -> None:
    made = packer(Track(0, Codec.AV1, b"av1C"))
    [tag] = read(made.message(Packet(0, 4500, 2700, Kind.P, 0, b"tu")))
    assert (tag.timestamp, tag.body) == (50, b"\xa1av01tu")


def test_further_tracks_are_sent_with_their_numbers_to_those_who_know_them() -> None:
    further = Track(2, Codec.AAC, b"asc2"), Track(3, Codec.VP9, b"vpcC"), Track(4, Codec.MP2)
    tracks = VIDEO, AUDIO, *further
    sound = Packet(2, 0, 0, Kind.AUDIO, 0, b"aac")
    assert packer(*tracks).message(sound) == b""
    made = packer(*tracks, multitrack=True)
    script, *starts = read(made.headers(0))
    assert [tag.body for tag in starts] == [
        flv_head.AVC_CONFIG + b"avcC",
        b"\x96\x00vp09\x01vpcC",
        flv_head.AAC_CONFIG + b"asc",
        b"\x95\x00mp4a\x01asc2",
    ]
    values = amf0.decode(script.body)[1]
    assert list(values["audioTrackIdInfoMap"]) == ["1"]
    assert values["videoTrackIdInfoMap"]["1"]["videocodecid"] == 0x76703039
    assert read(made.message(sound))[0].body == b"\x95\x01mp4a\x01aac"
    assert made.message(Packet(4, 0, 0, Kind.AUDIO, 0, b"mp2")) == b""
