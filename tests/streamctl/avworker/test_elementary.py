from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import av
import pytest

from streamctl.avworker.elementary import (
    MAX_DURATION,
    AacReader,
    Clock,
    Reader,
    UnitReader,
    reader_of,
    to_ticks,
)
from streamctl.media import aac
from streamctl.media.h264 import H264Reader
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind, Packet, Track

if TYPE_CHECKING:
    from av.stream import Stream

SPS = bytes.fromhex("6742c01e95a0280f6c04400000030040000007a3c58ba8")
PPS = bytes.fromhex("68ce3c80")
AVCC = b"\1" + SPS[1:4] + b"\xfd\xe1" + len(SPS).to_bytes(2, "big") + SPS
AVCC += b"\1" + len(PPS).to_bytes(2, "big") + PPS
IDR = bytes.fromhex("6588843a")
ASC = bytes.fromhex("1190")
WRAP = 1 << 33


def stream(kind: str, extradata: bytes = b"", base: Fraction = Fraction(1, TIMESCALE)) -> Stream:
    context = SimpleNamespace(extradata=extradata or None)
    return cast("Stream", SimpleNamespace(type=kind, time_base=base, codec_context=context))


def raw(data: bytes, pts: int | None, dts: int | None = None, duration: int = 0) -> Any:
    packet: Any = av.Packet(data)
    packet.pts, packet.dts = pts, pts if dts is None else dts
    packet.duration = duration
    return packet


def h264(extradata: bytes = b"", clock: str = "mp4") -> UnitReader:
    return UnitReader(Track(0, Codec.H264, fps=25), stream("video", extradata), Clock(clock))


def sound(extradata: bytes = b"") -> AacReader:
    return AacReader(Track(1, Codec.AAC), stream("audio", extradata), Clock("mpegts"))


def adts(config: aac.AacConfig, payload: bytes = b"\x21\x10\x04") -> bytes:
    return aac.adts_header(config, len(payload)) + payload


def other(number: int = 0) -> Reader:
    return Reader(Track(number, Codec.DATA), stream("video"), Clock("mkv"))


@pytest.mark.parametrize(
    ("value", "base", "ticks"),
    [
        (7, (1, 90_000), 7),
        (1, (1, 1000), 90),
        (1024, (1, 44_100), 2090),
        (3, (1001, 30_000), 9009),
        (-1, (1, 12_288), -7),
    ],
)
def test_spans_are_scaled_absolutely(value: int, base: tuple[int, int], ticks: int) -> None:
    assert to_ticks(value, base) == ticks


def test_a_program_wraps_once_whatever_libav_made_of_it() -> None:
    clock = Clock("mpegts")
    base = (1, TIMESCALE)
    assert clock.ticks(WRAP - 100, base) == WRAP - 100
    assert clock.ticks(50, base) == WRAP + 50
    assert clock.ticks(-50, base) == WRAP - 50
    assert Clock("mp4").ticks(-50, base) == -50


def test_h264_from_files_is_configured_by_the_container() -> None:
    reader = h264(AVCC)
    (packet,) = reader.read(raw(len(IDR).to_bytes(2, "big") + IDR, 10, 5, 3600))
    expected = Packet(0, 10, 5, Kind.KEY, 0, join_length_prefixed([IDR]), 3600)
    assert packet == expected
    assert (reader.track.config or b"")[4] & 3 == 3
    assert (reader.changes, reader.in_band) == (0, False)


def test_h264_from_broadcast_is_configured_in_band() -> None:
    reader = h264()
    assert reader.track.config is None
    start = b"\0\0\0\1"
    (packet,) = reader.read(raw(start + b"\x09\xf0" + start + SPS + start + PPS + start + IDR, 0))
    assert packet.data == join_length_prefixed([IDR])
    assert packet.dur == 3600
    assert reader.track.width > 0
    assert reader.in_band


def test_broken_units_are_counted_and_dropped() -> None:
    reader = h264(AVCC)
    assert reader.read(raw(b"\xff\xff\x65", 0)) == []
    assert reader.read(raw(len(SPS).to_bytes(2, "big") + SPS, 0)) == []
    assert reader.damaged == 1


def test_a_broken_configuration_is_counted() -> None:
    reader = h264(b"\1\0")
    assert (reader.damaged, reader.track.config) == (1, None)


def test_sets_that_libav_collected_are_taken_where_they_stand() -> None:
    start = b"\0\0\0\1"
    reader = h264(start + SPS + start + PPS)
    assert reader.track.config is None
    reader.read(raw(start + SPS + start + PPS + start + IDR, 0))
    assert reader.track.config is not None
    assert (reader.in_band, reader.changes) == (True, 0)


def test_damaged_parameter_sets_change_nothing() -> None:
    start = b"\0\0\0\1"
    reader = h264()
    reader.read(raw(start + SPS + start + PPS + start + IDR, 0))
    config = reader.track.config
    packet = raw(start + SPS[:-1] + b"\x55" + start + PPS + start + IDR, 3600)
    packet.is_corrupt = True
    (unit,) = reader.read(packet)
    assert unit.flags & Flag.CORRUPT
    assert (reader.track.config, reader.changes) == (config, 0)
    reader.read(raw(start + SPS + start + PPS + start + IDR, 7200))
    assert (reader.track.config, reader.changes) == (config, 0)


def test_damaged_parameter_sets_leave_the_search_for_leading_pictures_alone() -> None:
    start = b"\0\0\0\1"
    reader = h264()
    reader.read(raw(start + SPS + start + PPS + start + IDR, 0))
    assert isinstance(reader.units, H264Reader)
    reader.units.leading.point = 7
    packet = raw(start + SPS[:-1] + b"\x55" + start + PPS + start + IDR, 3600)
    packet.is_corrupt = True
    reader.read(packet)
    assert reader.units.leading.point == 7


def test_every_codec_has_its_reader() -> None:
    assert reader_of(Codec.AAC) is AacReader
    assert reader_of(Codec.H264) is UnitReader
    assert reader_of(Codec.MPEG2) is Reader
    assert reader_of(None) is Reader


def test_aac_from_files_is_raw() -> None:
    reader = sound(ASC)
    assert (reader.track.sample_rate, reader.track.channels) == (48_000, 2)
    (packet,) = reader.read(raw(b"\x21\x10", 0, duration=300))
    assert (packet.data, packet.kind, packet.dur) == (b"\x21\x10", Kind.AUDIO, 1920)


def test_aac_of_an_unknown_kind_stays_unconfigured() -> None:
    assert sound(b"\xf9\x46\x40").track.config is None


def test_adts_frames_of_one_packet_follow_each_other() -> None:
    config = aac.AacConfig.parse(ASC)
    reader = sound()
    packets = reader.read(raw(adts(config) * 3, 1000))
    assert [packet.pts for packet in packets] == [1000, 2920, 4840]
    assert reader.track.config == config.serialize()
    assert reader.read(raw(b"no sync word", 0)) == []
    assert reader.damaged == 1


def test_an_adts_header_that_changes_counts_when_it_is_repeated() -> None:
    stereo, mono = aac.AacConfig.parse(ASC), aac.AacConfig.parse(bytes.fromhex("1188"))
    reader = sound()
    taken = [bool(reader.read(raw(adts(c), n))) for n, c in enumerate([stereo, mono, stereo, mono])]
    assert taken == [True, False, True, False]
    assert reader.read(raw(adts(mono), 9))
    assert (reader.track.channels, reader.changes) == (1, 1)


def test_a_packet_without_any_time_is_dropped() -> None:
    reader = other()
    assert reader.read(raw(b"x", None)) == []
    assert reader.damaged == 1


def test_one_time_stands_for_the_other() -> None:
    (packet,) = other().read(raw(b"x", None, 90))
    assert (packet.pts, packet.dts) == (90, 90)


def test_times_that_contradict_each_other_are_repaired_by_the_nearer_one() -> None:
    reader = other()
    reader.read(raw(b"x", 1000, 1000))
    (packet,) = reader.read(raw(b"x", 5_000_000, 4600))
    assert (packet.pts, packet.dts) == (4600, 4600)
    (packet,) = reader.read(raw(b"x", 8200, -5_000_000))
    assert (packet.pts, packet.dts) == (8200, 8200)
    assert reader.damaged == 2


def test_a_duration_that_nobody_means_is_cut() -> None:
    (packet,) = other().read(raw(b"x", 0, duration=1 << 40))
    assert packet.dur == MAX_DURATION


def test_damage_and_kinds_are_told() -> None:
    reader = other()
    packet = raw(b"x", 0)
    packet.is_keyframe = True
    packet.is_corrupt = True
    (unit,) = reader.read(packet)
    assert (unit.kind, unit.flags) == (Kind.KEY, Flag.CORRUPT)
    assert reader.flush() == []
