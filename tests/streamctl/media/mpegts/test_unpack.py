from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.mpegts.assemble import Pes
from streamctl.media.mpegts.batch import Run
from streamctl.media.mpegts.elementary import elementary
from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.pes import PesHeader
from streamctl.media.mpegts.unpack import (
    DEFAULT_STEP,
    MAX_FAULTS,
    CueUnpacker,
    DataUnpacker,
    OpusUnpacker,
    PictureUnpacker,
    ProgramTime,
    SoundUnpacker,
    opus_head,
    opus_packets,
)
from streamctl.media.nal import START_CODE
from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec, Flag, Kind, Packet, Track
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_FIELDS, bits_of, payload, slice_of
from tests.streamctl.media.mpegts.packets import carried
from tests.streamctl.media.mpegts.test_frames import AC3, MP2, MP3, adts
from tests.streamctl.media.test_eac3 import STEREO as EAC3
from tests.streamctl.media.test_mpeg2video import EXTENSION, OPEN, SEQUENCE, B, I, P
from tests.support.broadcast import splice_insert, splice_null

if TYPE_CHECKING:
    from streamctl.media.mpegts.unpack import Found, PesUnpacker

WRAP = 1 << 33
IDR, DELTA = slice_of(7, kind=5), slice_of(5)
SETS = START_CODE + SPS_720P + START_CODE + PPS
KEY, NEXT = SETS + START_CODE + IDR, START_CODE + DELTA


def pes(
    data: bytes, pts: int | None, dts: int | None = None, *, torn: bool = False, gap: bool = False
) -> Pes:
    return Pes(PesHeader(0xE0, -1, 9, pts, pts if dts is None else dts), data, torn, gap)


def units(unpacker: PesUnpacker, *taken: Pes) -> list[Packet]:
    found = found_by(unpacker, *taken)
    return [item for item in found if isinstance(item, Packet)]


def found_by(unpacker: PesUnpacker, *taken: Pes) -> list[Found]:
    out: list[Found] = []
    for one in taken:
        unpacker.take(one, out)
    unpacker.flush(out)
    return out


def video(codec: Codec = Codec.H264) -> PictureUnpacker:
    return PictureUnpacker(Track(0, codec), ProgramTime())


def sound(codec: Codec) -> SoundUnpacker:
    return SoundUnpacker(Track(1, codec), ProgramTime())


def test_pictures_come_with_their_track() -> None:
    track, first, second = found_by(video(), pes(KEY, 7200, 3600), pes(NEXT, 10_800))
    assert isinstance(track, Track)
    assert (track.width, track.height, track.config is None) == (1280, 720, False)
    assert isinstance(first, Packet)
    assert isinstance(second, Packet)
    assert (first.pts, first.dts, first.kind) == (7200, 3600, Kind.KEY)
    assert first.data == len(IDR).to_bytes(4, "big") + IDR
    assert (second.pts, second.dts, second.kind) == (10_800, 10_800, Kind.P)


def test_pictures_before_the_first_parameter_sets_are_dropped() -> None:
    assert [one.kind for one in units(video(), pes(NEXT, 0), pes(KEY, 1), pes(NEXT, 2))] == [
        Kind.KEY,
        Kind.P,
    ]


def test_what_cant_be_read_is_counted_by_its_fault() -> None:
    unpacker = video()
    broken = START_CODE + SPS_720P[:4] + START_CODE + PPS + START_CODE + IDR
    assert units(unpacker, pes(broken, 0), pes(KEY, None)) == []
    assert list(unpacker.time.faults.values()) == [1, 1]
    for number in range(2 * MAX_FAULTS):
        unpacker.time.fault(str(number))
    assert len(unpacker.time.faults) == MAX_FAULTS


def test_several_pictures_of_a_unit_follow_by_the_frame_rate() -> None:
    unpacker = video()
    found = units(unpacker, pes(KEY + NEXT + NEXT, 9000, 5400))
    step = round(90_000 / unpacker.track.fps)
    assert step != DEFAULT_STEP
    assert [(one.pts, one.dts) for one in found] == [
        (9000 + number * step, 5400 + number * step) for number in range(3)
    ]


def test_without_a_frame_rate_pictures_follow_as_the_last_ones_did() -> None:
    key = START_CODE + SPS_FIELDS + KEY.replace(SETS, START_CODE + PPS)
    found = units(video(), pes(key + NEXT, 0), pes(NEXT * 2, 6000), pes(NEXT * 3, 15_000))
    assert [one.dts for one in found] == [
        *(0, DEFAULT_STEP),
        *(6000, 9000),
        *(15_000, 19_500, 24_000),
    ]


def test_a_torn_picture_is_marked() -> None:
    first, second = units(video(), pes(KEY, 0, torn=True), pes(NEXT, 1))
    assert (first.flags, second.flags) == (Flag.CORRUPT, 0)


def test_pictures_shown_before_an_open_point_lead_it() -> None:
    unpacker = video(Codec.MPEG2)
    key = SEQUENCE + EXTENSION + OPEN + I
    found = units(unpacker, pes(key, 9, 1), pes(B, 3, 3), pes(B, 6, 6), pes(P, 18, 9), pes(B, 8, 8))
    assert [one.flags for one in found] == [Flag.OPEN_GOP, Flag.LEADING, Flag.LEADING, 0, 0]
    assert [one.kind for one in found] == [Kind.KEY, Kind.B, Kind.B, Kind.P, Kind.B]
    assert unpacker.track.height == 576


def field(number: int, parity: str, kind: int = 1) -> bytes:
    head = bits_of(0) + bits_of(5) + bits_of(0) + f"{number:04b}" + parity + "0" * 20
    return START_CODE + b"\x09\xf0" + START_CODE + bytes((0x60 | kind,)) + payload(head)


FIELD_SETS = START_CODE + SPS_FIELDS + START_CODE + PPS
TOP, BOTTOM = FIELD_SETS + field(0, "10"), field(0, "11")
OTHERS = [field(1, "10"), field(1, "11"), field(2, "0")]


@pytest.mark.parametrize("together", [True, False])
def test_both_fields_of_a_frame_are_one_packet(together: bool) -> None:
    unpacker = video()
    fields = [TOP, BOTTOM, *OTHERS]
    taken = [pes(one, number * 1800) for number, one in enumerate(fields)]
    if together:
        taken = [pes(TOP + BOTTOM, 0), pes(OTHERS[0] + OTHERS[1], 3600), pes(OTHERS[2], 7200)]
    found = units(unpacker, *taken)
    assert [one.dts for one in found] == [0, 3600, 7200]
    assert [one.data.count(b"\x61") for one in found] == [2, 2, 1]


def test_a_field_without_its_other_one_is_given_alone() -> None:
    found = units(video(), pes(TOP, 0), pes(OTHERS[0], 3600), pes(OTHERS[0], 7200))
    assert [one.dts for one in found] == [0, 3600, 7200]


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


def test_data_is_given_whole_and_never_torn() -> None:
    unpacker = DataUnpacker(Track(2, Codec.KLV, b"\6"), ProgramTime())
    assert units(unpacker, pes(b"early", None)) == []
    found = units(unpacker, pes(b"one", 500), pes(b"x", 9, torn=True), pes(b"", 9), pes(b"t", None))
    assert [(one.pts, one.kind, one.data) for one in found] == [
        (500, Kind.DATA, b"one"),
        (9, Kind.DATA, b"t"),
    ]


def cues(
    data: bytes, now: int | None = 900, *, runs: bool = False
) -> tuple[CueUnpacker, list[Found]]:
    unpacker = CueUnpacker(Track(3, Codec.SCTE35, b"\x86"), ProgramTime())
    unpacker.time.unwrapper.last = now
    out: list[Found] = []
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    unpacker.packet(packets[0], out)
    for packet in packets[1:]:
        if runs:
            unpacker.run(Run(0, packet[4:], packet[3] & 15, packet[3] & 15), out)
        else:
            unpacker.packet(packet, out)
    return unpacker, out


@pytest.mark.parametrize("runs", [True, False])
def test_cues_belong_to_the_time_at_which_they_come(runs: bool) -> None:
    cue = splice_insert(7, 900_000, descriptors=40)
    _, found = cues(PacketWriter(0x100).section(cue), runs=runs)
    assert found == [Packet(3, 900, 900, Kind.DATA, 0, cue)]
    _, found = cues(PacketWriter(0x100).section(cue), None)
    assert found == []


def test_damaged_cues_are_counted() -> None:
    broken = splice_null()[:-1] + b"?"
    other = b"\x02" + splice_null()[1:]
    for section in (broken, other):
        unpacker, found = cues(PacketWriter(0x100).section(section))
        assert found == []
        assert sum(unpacker.time.faults.values()) == 1


def test_a_cue_with_a_gap_is_dropped() -> None:
    data = PacketWriter(0x100).section(splice_insert(7, 9, descriptors=40))
    unpacker, _ = cues(data[:188])
    out: list[Found] = []
    unpacker.run(Run(0, data[2 * 188 + 4 : 3 * 188], 2, 2), out)
    assert out == []


def test_tracks_of_a_program_wrap_together() -> None:
    time = ProgramTime()
    assert time.now is None
    stamps = [
        time.stamps(pes(b"", (WRAP - 900 + at) % WRAP, (WRAP - 1800 + at) % WRAP))
        for at in (0, 2000, 1000)
    ]
    assert stamps == [(WRAP - 900 + at, WRAP - 1800 + at) for at in (0, 2000, 1000)]


def test_units_are_taken_from_packets() -> None:
    unpacker = DataUnpacker(Track(2, Codec.ID3, b"\x15"), ProgramTime())
    out: list[Found] = []
    header = bytes.fromhex("000001bd000d8080052100010001")
    unpacker.packet(carried(0x100, header + b"hello"), out)
    assert [item.data for item in out if isinstance(item, Packet)] == [b"hello"]
    assert not unpacker.scrambled
