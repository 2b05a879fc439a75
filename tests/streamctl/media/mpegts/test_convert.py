from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media.mpegts.convert import CODECS, TsConverter
from streamctl.media.mpegts.pidmap import FIRST_PID, PMT_PID, PidMap
from streamctl.media.packet import TIMESCALE, Chunk, Codec, Flag, Kind, Packet, Skipped, Track
from streamctl.media.timestamps import rescale
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_854
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    SOUND,
    VIDEO,
    WRAP,
    boundary,
    change,
    chunks,
    interleaved,
    joined,
    load,
    pcrs,
    pes_packets,
    picture,
    pictures,
    pictures_of,
    program_maps,
    shifted,
    sound,
    sounds,
    steps,
    ts_packets,
)
from tests.support.judge import judge
from tests.support.media import Recipe
from tests.support.ts import inspect

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.media.packet import Item
    from tests.support.media import MediaCache

VIDEO_PID, AUDIO_PID = FIRST_PID, FIRST_PID + 1
AV = interleaved(pictures(100), sounds(190, start=-500))
HALF_SECOND = TIMESCALE // 2


def convert(*items: Item) -> list[Item]:
    return TsConverter().convert(items)


def live(*packets: Packet, tracks: tuple[Track, ...] = (VIDEO, AUDIO)) -> list[Chunk]:
    """The chunks of one epoch."""
    return chunks(convert(boundary(*tracks), *packets))


def test_one_access_unit_is_one_chunk() -> None:
    made = live(*AV)
    assert [chunk.start for chunk in made] == [packet.pts for packet in AV]
    assert [chunk.flush for chunk in made] == [packet.track == 0 for packet in AV]
    assert [chunk.rap for chunk in made] == [packet.kind is Kind.KEY for packet in AV]
    assert {chunk.epoch for chunk in live(*shifted(AV, 0, epoch=7))} == {7}


def test_a_chunk_ends_with_its_unit_when_the_duration_is_known() -> None:
    made = live(picture(0, key=True), replace(picture(3600, pts=7200), dur=3600), sound(9000))
    assert [(chunk.start, chunk.end) for chunk in made] == [
        (0, 0),
        (7200, 10_800),
        (9000, 10_920),
    ]


def test_random_access_chunks_begin_with_the_tables() -> None:
    for chunk in live(*AV):
        pids = [packet.pid for packet in ts_packets(chunk.data)]
        if chunk.rap:
            assert pids[:3] == [0, PMT_PID, VIDEO_PID]
            first = ts_packets(chunk.data, VIDEO_PID)[0]
            assert (first.start, first.flags & 0x40) == (True, 0x40)
        assert all(packet.flags & 0x80 == 0 for packet in ts_packets(chunk.data))


def test_clock_references_of_the_time_before_stand_outside_of_random_access_chunks() -> None:
    made = live(picture(0, key=True), picture(18_000, key=True))
    assert [chunk.rap for chunk in made] == [True, False, True]
    early, last = made[1:]
    assert (early.start, early.flush) == (18_000, False)
    assert [packet.payload for packet in ts_packets(early.data)] == [None, None]
    assert [packet.pid for packet in ts_packets(last.data)][:3] == [0, PMT_PID, VIDEO_PID]
    assert max(steps(pcrs(early.data + last.data, VIDEO_PID))) <= 9000


def test_tables_come_twice_a_second() -> None:
    made = live(*interleaved(pictures(100, gop=99), sounds(190)))
    times = [chunk.start for chunk in made if ts_packets(chunk.data)[0].pid == 0]
    assert max(steps(times)) <= HALF_SECOND
    assert len(times) <= 12


def test_sound_alone_can_be_joined_twice_a_second() -> None:
    made = live(*sounds(200, track=0, step=2090), tracks=(SOUND,))
    assert all(chunk.flush for chunk in made)
    joins = [chunk for chunk in made if chunk.rap]
    assert min(steps([chunk.start for chunk in joins])) >= HALF_SECOND
    assert max(steps([chunk.start for chunk in joins])) < HALF_SECOND + 2090
    for chunk in joins:
        packets = ts_packets(chunk.data)
        assert [packet.pid for packet in packets[:3]] == [0, PMT_PID, FIRST_PID]
        assert packets[2].flags == 0x50


def test_only_the_first_sound_decides_where_to_join_without_video() -> None:
    second = replace(AUDIO, id=1)
    packets = interleaved(sounds(100, track=0), sounds(100, track=1))
    made = live(*packets, tracks=(SOUND, second))
    assert {ts_packets(chunk.data)[2].pid for chunk in made if chunk.rap} == {FIRST_PID}


@pytest.mark.parametrize("keep", [0, 7, 60])
def test_whoever_joins_or_skips_sees_unbroken_counters(keep: int) -> None:
    made = live(*AV)
    for index, chunk in enumerate(made):
        if chunk.rap:
            start = b"".join(one.data for one in made[: min(keep, index)])
            rest = b"".join(one.data for one in made[index:])
            assert inspect(start + chunk.join + rest).continuity_errors == []
            signals = ts_packets(chunk.join)
            assert [one.pid for one in signals] == [0, PMT_PID, VIDEO_PID, AUDIO_PID]
            assert {(one.flags, one.payload) for one in signals} == {(0x80, None)}
        else:
            assert chunk.join == b""


def test_other_items_keep_their_place_and_unknown_tracks_leave_nothing() -> None:
    flac = Track(9, Codec.FLAC, b"")
    items: list[Item] = [
        boundary(VIDEO, flac),
        picture(0, key=True),
        sound(0, track=9),
        change(VIDEO, flac, AUDIO),
        sound(0),
    ]
    out = convert(*items, Skipped(3), sound(0, track=9))
    assert [type(item).__name__ for item in out] == ["Boundary", "Chunk", "InitChange", "Chunk"]
    assert TsConverter().flush() == []
    assert convert(picture(0, key=True)) == []
    assert Codec.FLAC not in CODECS


def test_damaged_units_leave_no_trace() -> None:
    broken = replace(picture(7200), data=b"\0\0\0\x09\x41")
    packets = [picture(0, key=True), picture(3600), picture(10_800)]
    whole = live(*packets)
    assert live(packets[0], packets[1], broken, packets[2]) == whole


def payload_counters(data: bytes) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for packet in ts_packets(data):
        if packet.payload is not None:
            found.setdefault(packet.pid, []).append(packet.counter)
    return found


def test_a_new_epoch_is_signalled_once_and_continues_the_counters() -> None:
    second = shifted(AV, 50 * TIMESCALE, epoch=2)
    out = convert(boundary(VIDEO, AUDIO), *AV, boundary(VIDEO, AUDIO, epoch=2), *second)
    at = next(n for n, item in enumerate(out) if n and type(item).__name__ == "Boundary")
    signal = out[at + 1]
    assert isinstance(signal, Chunk)
    assert (signal.rap, signal.flush, signal.epoch) == (False, False, 2)
    signals = ts_packets(signal.data)
    assert [one.pid for one in signals] == [0, PMT_PID, VIDEO_PID, AUDIO_PID]
    assert {(one.flags, one.payload) for one in signals} == {(0x80, None)}
    following = out[at + 2]
    assert isinstance(following, Chunk)
    assert ts_packets(following.data)[0].pid == 0
    data = joined(out)
    for counters in payload_counters(data).values():
        assert counters == [(counters[0] + n) % 16 for n in range(len(counters))]
    assert sum(packet.flags >> 7 for packet in ts_packets(data)) == 5
    (first, *_) = (one for one in ts_packets(following.data, VIDEO_PID) if one.pcr is not None)
    assert first.flags & 0x80, "and so is its clock"
    assert {table.version for table in program_maps(data)} == {1}
    assert inspect(data).continuity_errors == []


def test_the_first_epoch_needs_no_signal() -> None:
    out = convert(boundary(VIDEO), boundary(VIDEO, AUDIO, epoch=2), *AV[:50])
    assert all(packet.flags & 0x80 == 0 for packet in ts_packets(joined(out)))


def test_an_epoch_behind_what_others_wrote_is_signalled() -> None:
    pids = PidMap()
    TsConverter(pids).convert([boundary(VIDEO, AUDIO), *AV])
    first, second, *_ = chunks(TsConverter(pids).convert([boundary(VIDEO, AUDIO), *AV]))
    assert {one.flags for one in ts_packets(first.data)} == {0x80}
    assert (first.rap, second.rap) == (False, False)


def test_an_epoch_without_media_keeps_the_signal_for_the_next() -> None:
    converter = TsConverter()
    converter.convert([boundary(VIDEO, AUDIO), *AV])
    assert chunks(converter.convert([boundary(VIDEO, epoch=2)])) == []
    third = chunks(converter.convert([boundary(SOUND, epoch=3), sound(10**6, track=0)]))
    assert [packet.pid for packet in ts_packets(third[0].data)] == [0, PMT_PID, AUDIO_PID]
    assert [table.version for table in program_maps(third[1].data)] == [3]
    assert third[1].rap


def test_new_parameter_sets_are_used_after_a_change() -> None:
    other = replace(VIDEO, config=bytes.fromhex("0164001effe1001a") + SPS_854 + b"\1\0\5" + PPS)
    out = convert(
        boundary(VIDEO),
        picture(0, key=True),
        change(other),
        picture(3600),
        picture(7200, key=True),
    )
    first, middle, last = chunks(out)
    assert SPS_720P in first.data
    assert SPS_854 in last.data
    assert SPS_720P not in last.data
    assert ts_packets(middle.data)[0].pid == 0
    assert {table.version for table in program_maps(joined(out))} == {1}


def test_the_wrap_of_33_bits_is_seamless() -> None:
    start = WRAP - 2 * TIMESCALE
    packets = shifted(interleaved(pictures(100), sounds(190)), start)
    data = joined(live(*packets))
    video = pes_packets(data, VIDEO_PID)
    assert video[0].dts > video[-1].dts
    assert set(steps([pes.dts for pes in video])) == {3600}
    assert set(steps([pes.pts for pes in pes_packets(data, AUDIO_PID)])) == {1920}
    assert max(steps(pcrs(data, VIDEO_PID))) <= 9000
    assert inspect(data).worst_pcr_s <= 0.1


def test_an_hour_at_29_97_fps_and_44100_hz_does_not_drift() -> None:
    """Every tenth unit of an hour that crosses the wrap."""
    base = WRAP - 1800 * TIMESCALE
    video = [
        picture(base + rescale(n * 1001, 30_000, TIMESCALE), key=n % 300 == 0)
        for n in range(0, 3600 * 30, 10)
    ]
    audio = [
        sound(base + rescale(n * 1024, 44_100, TIMESCALE), size=9)
        for n in range(0, 3600 * 44_100 // 1024, 10)
    ]
    data = joined(live(*interleaved(video, audio)))
    assert inspect(data[: 188 * 20_000]).continuity_errors == []
    last_picture, last_sound = pes_packets(data, VIDEO_PID)[-1], pes_packets(data, AUDIO_PID)[-1]
    exact_picture = Fraction((3600 * 30 - 10) * 1001 * TIMESCALE, 30_000) + base - WRAP
    exact_sound = Fraction((3600 * 44_100 // 1024 // 10 * 10) * 1024 * TIMESCALE, 44_100)
    assert abs(last_picture.pts - exact_picture) <= 1
    assert abs(last_sound.pts - (exact_sound + base - WRAP)) <= 1


RECIPES = [
    Recipe(seconds=3),
    Recipe(seconds=3, bframes=2),
    Recipe(seconds=3, bframes=3, gop=60, sample_rate=44_100, channels=1),
    Recipe(seconds=3, fps=Fraction(30_000, 1001), container="flv"),
    Recipe(seconds=3, audio=False),
    Recipe(seconds=3, bframes=2, video_codec="hevc", audio_codec="ac3"),
    Recipe(seconds=3, video_codec="hevc", audio_codec="eac3"),
    Recipe(seconds=3, bframes=2, audio_codec="opus"),
    Recipe(seconds=3, audio_codec="mp3", container="mkv"),
]
CHANGED_LEAST = [RECIPES[0], RECIPES[1], *RECIPES[5:]]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.key)
def test_real_media_decodes_whole(media: MediaCache, recipe: Recipe) -> None:
    tracks, packets = load(media(recipe).path)
    made = live(*packets, tracks=tuple(tracks))
    data = joined(made)
    report = inspect(data)
    assert (report.sync_errors, report.trailing, report.continuity_errors) == (0, 0, [])
    assert report.worst_pcr_s <= 0.1
    assert report.worst_psi_s <= 0.5
    verdict = judge(data)
    assert (verdict.decode_errors, verdict.missing, verdict.dts_disorder) == ([], 0, 0)
    assert verdict.frames == recipe.frames
    assert verdict.starts_with_key
    if recipe.audio:
        assert verdict.worst_offset_ms < 45


@pytest.mark.parametrize("recipe", CHANGED_LEAST, ids=lambda recipe: recipe.key)
def test_real_media_goes_through_unchanged(
    media: MediaCache, tmp_path: Path, recipe: Recipe
) -> None:
    tracks, packets = load(media(recipe).path)
    path = tmp_path / "out.ts"
    path.write_bytes(joined(live(*shifted(packets, TIMESCALE), tracks=tuple(tracks))))
    assert pictures_of(path) == pictures_of(media(recipe).path)
    again_tracks, again = load(path)
    assert again_tracks[0].config == tracks[0].config
    for number in (0, 1):
        before = [packet for packet in packets if packet.track == number]
        after = [packet for packet in again if packet.track == number]
        assert [one.pts - TIMESCALE for one in after] == [one.pts for one in before]
        if number == 0:
            assert [one.dts - TIMESCALE for one in after] == [one.dts for one in before]
            assert [(one.kind, one.data) for one in after] == [
                (one.kind, one.data) for one in before
            ]
        else:
            assert [one.data for one in after] == [one.data for one in before]


def test_a_viewer_who_joins_late_decodes_from_there(media: MediaCache) -> None:
    recipe = Recipe(seconds=3, bframes=2)
    tracks, packets = load(media(recipe).path)
    made = live(*packets, tracks=tuple(tracks))
    _, index, *_ = (n for n, chunk in enumerate(made) if chunk.rap)
    data = made[index].join + b"".join(chunk.data for chunk in made[index:])
    verdict = judge(data)
    assert (verdict.decode_errors, verdict.missing) == ([], 0)
    assert verdict.numbers[0] == recipe.gop
    assert verdict.frames == recipe.frames - recipe.gop


def test_who_goes_without_leading_pictures_sees_no_loss() -> None:
    packets = [picture(n * 3600, key=n % 10 == 0) for n in range(30)]
    packets[20].flags = Flag.OPEN_GOP
    for packet in packets[21:24]:
        packet.flags = Flag.LEADING
    made = live(*interleaved(packets, sounds(60)))
    assert [chunk.flags for chunk in made if chunk.flags] == [Flag.OPEN_GOP, *[Flag.LEADING] * 3]
    index = next(n for n, chunk in enumerate(made) if chunk.flags == Flag.OPEN_GOP)
    rest = [chunk.join if chunk.flags & Flag.LEADING else chunk.data for chunk in made[index:]]
    data = made[index].join + b"".join(rest)
    report = inspect(data)
    assert (report.continuity_errors, report.sync_errors) == ([], 0)
    assert len(pes_packets(data, VIDEO_PID)) == 7
    assert max(steps(pcrs(data, VIDEO_PID))) <= 9000


def test_who_goes_without_a_leading_picture_is_told_of_other_tracks() -> None:
    made = TsConverter()
    point, leading, last = (picture(n * 3600, key=n == 0) for n in range(3))
    point.flags, leading.flags = Flag.OPEN_GOP, Flag.LEADING
    first = chunks(made.convert([boundary(VIDEO), point]))
    rest = chunks(made.convert([change(VIDEO, AUDIO), leading, sound(3600), last]))
    parts = [chunk.join if chunk.flags & Flag.LEADING else chunk.data for chunk in rest]
    data = first[0].join + first[0].data + b"".join(parts)
    assert inspect(data).continuity_errors == []
    assert [len(one.streams) for one in program_maps(data)] == [1, 2]


def test_a_splice_of_two_sources_decodes_whole(media: MediaCache) -> None:
    first_tracks, first = load(media(RECIPES[0]).path)
    second_tracks, second = load(media(replace(RECIPES[1], width=240, height=136)).path)
    out = convert(
        boundary(*first_tracks),
        *first,
        boundary(*second_tracks, epoch=2),
        *shifted(second, 3 * TIMESCALE + 9000, epoch=2),
    )
    data = joined(out)
    report = inspect(data)
    assert (report.continuity_errors, report.sync_errors) == ([], 0)
    verdict = judge(data)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.frames == 2 * RECIPES[0].frames
    assert verdict.restarts == [0]


@pytest.mark.parametrize(
    "name",
    [
        "bbb_480p24_h264b_aac51_30s.mp4",
        "crystal_480p30_h264nob_aac.mp4",
        "butterfly_720p2997_h264b_aac.mp4",
        "people_432p10_h264b_video_only_139s.mp4",
        "avatar_320p25_h264b_aac.flv",
        "dvb_576p_h264_aac_aacfirst.ts",
        "tos_360p24_pts_wrap_20s.ts",
    ],
)
def test_media_of_the_field_stays_within_the_standard(real_media_folder: Path, name: str) -> None:
    tracks, packets = load(real_media_folder / name)
    data = joined(live(*interleaved(packets), tracks=tuple(tracks)))
    report = inspect(data)
    assert (report.continuity_errors, report.sync_errors) == ([], 0)
    assert report.worst_pcr_s <= 0.1
    assert report.worst_psi_s <= 0.5
    video = next(track.id for track in tracks if track.codec is Codec.H264)
    assert len(pes_packets(data, VIDEO_PID)) == sum(packet.track == video for packet in packets)


tracks_of_any_kind = st.sampled_from(
    [VIDEO, AUDIO, SOUND, Track(2, Codec.MP3, b""), Track(3, Codec.OPUS, b""), Track(4, Codec.H264)]
)
any_packets = st.builds(
    Packet,
    st.integers(0, 4),
    st.integers(-(1 << 34), 1 << 34),
    st.integers(-(1 << 34), 1 << 34),
    st.sampled_from(Kind),
    st.just(0),
    st.binary(max_size=20),
)
any_items = st.lists(
    any_packets
    | st.builds(lambda tracks: boundary(*tracks), st.lists(tracks_of_any_kind, max_size=3))
    | st.builds(lambda tracks: change(*tracks), st.lists(tracks_of_any_kind, max_size=3)),
    max_size=20,
)


@given(any_items)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_the_stream_stays_well_formed(items: list[Item]) -> None:
    data = joined(convert(boundary(VIDEO, AUDIO), *items))
    report = inspect(data)
    assert (report.sync_errors, report.trailing, report.continuity_errors) == (0, 0, [])
    for counters in payload_counters(data).values():
        assert counters == [n % 16 for n in range(len(counters))]
