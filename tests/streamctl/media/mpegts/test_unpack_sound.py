from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.mpegts.elementary import elementary
from streamctl.media.mpegts.unpack import ProgramTime
from streamctl.media.mpegts.unpack_sound import (
    LatmUnpacker,
    OpusUnpacker,
    SoundUnpacker,
    opus_head,
    opus_packets,
)
from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec, Kind, Packet, Track
from tests.streamctl.media.mpegts.test_frames import AC3, MP2, MP3, adts
from tests.streamctl.media.mpegts.unpacking import found_by, pes, units
from tests.streamctl.media.test_eac3 import STEREO as EAC3
from tests.streamctl.media.test_latm import MONO, STEREO, loas


def sound(codec: Codec) -> SoundUnpacker:
    return SoundUnpacker(Track(1, codec), ProgramTime())


@pytest.mark.parametrize(
    ("codec", "frame", "rate", "length"),
    [
        (Codec.AAC, adts(300), 48_000, 1920),
        (Codec.MP2, MP2, 48_000, 2160),
        (Codec.AC3, AC3, 48_000, 2880),
        (Codec.EAC3, EAC3, 48_000, 2880),
    ],
)
def test_sound_tells_its_track_and_times(
    codec: Codec, frame: bytes, rate: int, length: int
) -> None:
    track, *found = found_by(sound(codec), pes(frame * 3, 5000), pes(frame, None))
    assert isinstance(track, Track)
    assert (track.codec, track.sample_rate, track.channels) == (codec, rate, 2)
    packets = [one for one in found if isinstance(one, Packet)]
    assert [one.pts for one in packets] == [5000 + length * number for number in range(4)]
    assert {(one.kind, one.dur, one.track) for one in packets} == {(Kind.AUDIO, length, 1)}
    assert packets[0].data == (frame[7:] if codec is Codec.AAC else frame)


@pytest.mark.parametrize(
    ("announced", "frame", "codec"), [(Codec.MP2, adts(50), Codec.AAC), (Codec.MP2, MP3, Codec.MP3)]
)
def test_sound_is_what_its_frames_are(announced: Codec, frame: bytes, codec: Codec) -> None:
    unpacker = sound(announced)
    assert len(units(unpacker, pes(b"\0" * 20, 0, torn=True), pes(frame * 2, 0))) == 2
    assert unpacker.track.codec is codec


def test_sound_waits_for_its_first_time() -> None:
    assert [one.pts for one in units(sound(Codec.MP2), pes(MP2 * 2, None), pes(MP2, 99))] == [99]


def test_torn_sound_gives_the_frames_before() -> None:
    unpacker = sound(Codec.MP2)
    taken = [
        pes(MP2 + MP2[:99], 0, torn=True),
        pes(MP2, 9999),
        pes(MP2[:99], 1),
        pes(MP2, 7, gap=True),
    ]
    assert [one.pts for one in units(unpacker, *taken)] == [0, 9999, 7]


def test_frames_that_cant_be_read_are_counted() -> None:
    several = bytearray(adts(50))
    several[6] |= 2
    unpacker = sound(Codec.AAC)
    assert units(unpacker, pes(bytes(several), 0)) == []
    assert sum(unpacker.time.faults.values()) == 1


def test_a_changed_configuration_is_told_before_its_frames() -> None:
    mono = adts(50)
    other = bytearray(mono)
    other[3] = other[3] & 0x3F | 0x40
    found = found_by(sound(Codec.AAC), pes(mono * 2 + bytes(other), 0))
    assert [type(item) for item in found] == [Track, Packet, Packet, Track, Packet]


def test_opus_is_read_as_it_is_written() -> None:
    head = bytes.fromhex("4f707573486561640102380180bb0000000000")
    writer = elementary(Track(0, Codec.OPUS, head))
    assert writer is not None
    assert opus_head(writer.descriptors) == head
    data = b"\xfc" + bytes(700)
    control = writer.pes(Packet(0, 9000, 9000, Kind.AUDIO, 0, data))[14:]
    unpacker = OpusUnpacker(Track(0, Codec.OPUS, head), ProgramTime())
    assert (unpacker.track.sample_rate, unpacker.track.channels) == (48_000, 2)
    found = units(unpacker, pes(control * 2, 9000), pes(control, None))
    assert [(one.pts, one.data, one.dur) for one in found] == [
        (9000, data, 1800),
        (10_800, data, 1800),
        (12_600, data, 1800),
    ]


@pytest.mark.parametrize("channels", range(1, 9))
def test_opus_heads_follow_from_channels(channels: int) -> None:
    head = opus_head(bytes((0x7F, 2, 0x80, channels)))
    assert OpusHead.parse(head or b"").channels == channels


@pytest.mark.parametrize("descriptors", ["", "7f0180", "7f020602", "7f02800c", "0a0464657500"])
def test_other_descriptors_tell_no_opus(descriptors: str) -> None:
    assert opus_head(bytes.fromhex(descriptors)) is None


def test_opus_without_a_head_is_not_given() -> None:
    unpacker = OpusUnpacker(Track(0, Codec.OPUS), ProgramTime())
    assert units(unpacker, pes(b"\x7f\xe0\2\xfc\0", 0)) == []
    assert unpacker.time.faults


def test_opus_controls_may_trim_and_extend() -> None:
    trimmed = b"\x7f\xf8\x02\0\1\0\2\xfc\xfd"
    extended = b"\x7f\xe4\x01\x03abc\xfc"
    assert list(opus_packets(trimmed + extended)) == [b"\xfc\xfd", b"\xfc"]


@pytest.mark.parametrize(
    "data",
    [b"\x7f\x00\1\xfc", b"\x7e\xe0\1\xfc", b"\x7f\xe0\2\xfc", b"\x7f\xe0\xff\xff", b"\x7f\xe4\1"],
)
def test_damaged_opus_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        list(opus_packets(data))


def test_latm_gives_raw_frames_and_their_configuration() -> None:
    unpacker = LatmUnpacker(Track(1, Codec.AAC), ProgramTime())
    data = loas([b"one", b"two"], STEREO) + loas([b"three", b"four"])
    taken = [pes(loas([b"early"]), 1), pes(data, 900), pes(loas([b"five"], MONO), None)]
    found = found_by(unpacker, *taken)
    assert [type(item) for item in found] == [Track, *[Packet] * 4, Track, Packet]
    packets = [item for item in found if isinstance(item, Packet)]
    assert [one.data for one in packets] == [b"one", b"two", b"three", b"four", b"five"]
    assert [one.pts for one in packets] == [900 + 1920 * number for number in range(5)]
    assert (unpacker.track.config, unpacker.track.channels) == (MONO, 1)


def test_the_map_is_believed_about_latm() -> None:
    unpacker = LatmUnpacker(Track(1, Codec.AAC), ProgramTime())
    assert units(unpacker, pes(adts(50) * 3, 0)) == []
    assert unpacker.framer.skipped_bytes > 100
