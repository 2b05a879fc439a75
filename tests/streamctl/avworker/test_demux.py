from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.avworker.demux import demux
from streamctl.avworker.wire import DemuxJob
from streamctl.errors import MediaError
from streamctl.media.h264 import AvcConfig
from streamctl.media.nal import split_length_prefixed
from streamctl.media.packet import TIMESCALE, Codec, Kind
from tests.support.judge import judge
from tests.support.media import Recipe

from .made import encode, with_sets
from .played import EnoughError, Played, play, remux

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.avworker.wire import Record
    from tests.support.media import MediaCache

PLAIN = Recipe(seconds=3.0, gop=25)
REORDERED = Recipe(seconds=3.0, gop=25, bframes=2)
PICTURES = frozenset({Kind.KEY, Kind.P, Kind.B})
CONTAINERS = ["mp4", "flv", "ts"]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("recipe", [PLAIN, REORDERED], ids=["plain", "b-frames"])
def test_access_units_have_the_form_of_lanes(
    media: MediaCache, recipe: Recipe, container: str
) -> None:
    played = play(media(replace(recipe, container=container)).path)
    video, audio = played.tracks
    assert (video.codec, video.width, video.height, video.fps) == (Codec.H264, 320, 180, 25.0)
    assert (audio.codec, audio.sample_rate, audio.channels) == (Codec.AAC, 48_000, 2)
    assert AvcConfig.parse(video.config or b"").length_size == 4
    for packet in played.track(0):
        kinds = {nal[0] & 31 for nal in split_length_prefixed(packet.data)}
        assert not kinds & {7, 8, 9, 12}
    keys = [n for n, packet in enumerate(played.track(0)) if packet.kind is Kind.KEY]
    assert keys == [0, 25, 50]
    assert all(packet.data[:2] != b"\xff\xf1" for packet in played.track(1))
    assert played.ended


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("recipe", [PLAIN, REORDERED], ids=["plain", "b-frames"])
def test_a_file_comes_out_complete_and_in_sync(
    media: MediaCache, recipe: Recipe, container: str
) -> None:
    played = play(media(replace(recipe, container=container)).path)
    verdict = judge(remux(played.tracks, played.packets))
    assert verdict.decode_errors == []
    assert verdict.numbers == list(range(75))
    assert verdict.worst_offset_ms < 25
    assert verdict.audio_gaps == []


@pytest.mark.parametrize("container", CONTAINERS)
def test_packets_are_in_decode_order_and_rise_per_track(media: MediaCache, container: str) -> None:
    packets = play(media(replace(REORDERED, container=container)).path).packets
    assert all(a.dts <= b.dts for a, b in pairwise(packets))
    for number in (0, 1):
        track = [packet for packet in packets if packet.track == number]
        assert all(a.dts < b.dts for a, b in pairwise(track))
        assert all(packet.pts >= packet.dts and packet.dur > 0 for packet in track)
    assert abs(packets[0].dts) < TIMESCALE // 10


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("recipe", [PLAIN, REORDERED], ids=["plain", "b-frames"])
def test_repetitions_join_without_a_seam(media: MediaCache, recipe: Recipe, container: str) -> None:
    played = play(media(replace(recipe, container=container)).path, until_s=8)
    assert played.changes == []
    video, audio = played.track(0), played.track(1)
    for track, frame in ((video, 3600), (audio, 1920)):
        steps = [b.dts - a.dts for a, b in pairwise(track)]
        assert min(steps) > 0
        assert max(steps) <= 2 * frame + 180
    verdict = judge(remux(played.tracks, played.packets))
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert verdict.audio_gaps == []
    assert max(verdict.video_gaps, default=0) < 2 * 0.04
    assert verdict.restarts == [0, 0]
    assert verdict.worst_offset_ms < 25


def test_a_loop_neither_drifts_nor_overlaps_over_many_passes(media: MediaCache) -> None:
    recipe = Recipe(
        seconds=1.0, fps=Fraction(30000, 1001), gop=50, sample_rate=44_100, container="flv"
    )
    played = play(media(recipe).path, until_s=40)
    starts = [packet.dts for packet in played.track(0) if packet.kind is Kind.KEY]
    lengths = {b - a for a, b in pairwise(starts)}
    assert len(lengths) == 1
    assert min(b.dts - a.dts for a, b in pairwise(played.track(1))) > 1000


def test_start_skips_to_the_keyframe_before_it(media: MediaCache) -> None:
    played = play(media(PLAIN).path, start_s=1.5)
    assert len(played.track(0)) == 50
    assert played.track(0)[0].kind is Kind.KEY


def test_a_loop_that_starts_late_repeats_from_the_beginning(media: MediaCache) -> None:
    played = play(media(PLAIN).path, start_s=1.5, until_s=6)
    verdict = judge(remux(played.tracks, played.packets))
    assert verdict.numbers[:51] == [*range(25, 75), 0]
    assert verdict.decode_errors == []
    assert min(b.dts - a.dts for a, b in pairwise(played.track(0))) > 0


def test_batches_are_small(media: MediaCache) -> None:
    played = play(media(PLAIN).path)
    assert max(played.batches) <= 64
    assert sum(played.batches) == len(played.packets)


@pytest.mark.parametrize("recipe", [Recipe(audio=False, seconds=1), Recipe(video=False, seconds=1)])
def test_one_track_is_enough(media: MediaCache, recipe: Recipe) -> None:
    played = play(media(recipe).path)
    assert len(played.tracks) == 1
    assert played.packets


def test_other_codecs_are_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    encode(path, video="libx264", audio="pcm_f32le")
    opened = play(path).opened
    assert opened is not None
    assert [track.codec for track in opened.tracks] == [Codec.H264]
    assert opened.notes == ("left out: audio track 1 (`pcm_f32le`)",)


def test_a_file_without_a_usable_track_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    encode(path, video="mpeg4", audio="pcm_f32le")
    with pytest.raises(MediaError, match="found mpeg4, pcm_f32le") as caught:
        play(path)
    assert caught.value.hint.startswith("supported are aac")


@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000), b"G" * 188 * 40])
def test_what_is_no_media_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        play(path)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:1/a.ts\n")
    with pytest.raises(MediaError, match="not a container"):
        play(path)


@pytest.mark.parametrize("container", ["flv", "ts"])
def test_a_truncated_file_ends_cleanly(media: MediaCache, tmp_path: Path, container: str) -> None:
    whole = media(replace(REORDERED, container=container)).path.read_bytes()
    path = tmp_path / f"cut.{container}"
    path.write_bytes(whole[: len(whole) * 6 // 10 + 1])
    played = play(path)
    assert played.ended
    assert 20 < len(played.track(0)) < 75


def test_a_truncated_mp4_is_refused_or_ends_cleanly(media: MediaCache, tmp_path: Path) -> None:
    whole = media(PLAIN).path.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="invalid data"):
        play(path)


def test_a_file_that_vanishes_ends_its_loop_with_an_error(
    media: MediaCache, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(media(PLAIN).path.read_bytes())
    played = Played()

    def send(record: Record) -> None:
        played.take(record)
        path.unlink(missing_ok=True)

    with pytest.raises(MediaError, match="no such file"):
        demux(DemuxJob(str(path), loop=True), send)
    assert len(played.track(0)) > 60


def test_a_file_that_is_replaced_is_picked_up_at_the_seam(
    media: MediaCache, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(media(PLAIN).path.read_bytes())
    wide = media(replace(PLAIN, width=480, height=272)).path.read_bytes()
    played = Played()

    def send(record: Record) -> None:
        played.take(record)
        path.write_bytes(wide)
        if played.packets and played.packets[-1].dts > 5 * TIMESCALE:
            raise EnoughError

    with pytest.raises(EnoughError):
        demux(DemuxJob(str(path), loop=True), send)
    assert [tracks[0].width for tracks in played.changes] == [480]


def test_a_video_without_any_keyframe_is_refused(media: MediaCache, tmp_path: Path) -> None:
    played = play(media(Recipe(seconds=2, gop=50, audio=False)).path)
    path = tmp_path / "a.ts"
    pictures = [packet for packet in played.track(0) if packet.kind is not Kind.KEY]
    path.write_bytes(with_sets(played.tracks[0].config or b"", pictures))
    with pytest.raises(MediaError, match="no keyframe"):
        play(path)


def test_a_video_without_parameter_sets_is_left_out(media: MediaCache, tmp_path: Path) -> None:
    played = play(media(Recipe(seconds=2, audio=False)).path)
    path = tmp_path / "a.ts"
    path.write_bytes(with_sets(None, played.track(0)))
    with pytest.raises(MediaError, match="has a decoder configuration"):
        play(path)
    sound = play(media(Recipe(seconds=2)).path)
    bare = [p for p in sound.packets if p.kind is not Kind.KEY]
    path.write_bytes(remux(sound.tracks, bare))
    opened = play(path).opened
    assert opened is not None
    assert [track.codec for track in opened.tracks] == [Codec.AAC]
    assert opened.notes == ("left out: track 0 (`h264`) has no decoder configuration",)


def test_timestamps_that_wrap_go_on(media: MediaCache, tmp_path: Path) -> None:
    path = tmp_path / "wrap.ts"
    played = play(media(REORDERED).path)
    shift = (1 << 33) - 2 * TIMESCALE
    moved = [replace(p, pts=p.pts + shift, dts=p.dts + shift) for p in played.packets]
    path.write_bytes(remux(played.tracks, moved))
    again = play(path)
    assert [p.dts for p in again.track(0)][-1] == [p.dts for p in played.track(0)][-1]
    looped = play(path, until_s=8)
    assert max(b.dts - a.dts for a, b in pairwise(looped.track(0))) <= 7200


def test_new_parameter_sets_are_announced_before_their_pictures(
    media: MediaCache, tmp_path: Path
) -> None:
    first = play(media(Recipe(seconds=1, audio=False)).path)
    second = play(media(Recipe(seconds=1, audio=False, width=480, height=272)).path)
    path = tmp_path / "a.ts"
    later = [replace(p, pts=p.pts + TIMESCALE, dts=p.dts + TIMESCALE) for p in second.packets]
    path.write_bytes(remux(first.tracks, first.packets) + remux(second.tracks, later))
    played = play(path)
    assert (played.tracks[0].width, [t[0].width for t in played.changes]) == (320, [480])


REAL = [
    ("bbb_480p24_h264b_aac51_30s.mp4", 720, 1407),
    ("butterfly_720p2997_h264b_aac.mp4", 226, 353),
    ("crystal_480p30_h264nob_aac.mp4", 359, 514),
    ("people_432p10_h264b_video_only_139s.mp4", 1394, 0),
    ("angelone_144p25_aac_en_opus_es_60s.mp4", 1500, 2814),
    ("bbb_360p25_h264nob_aac.flv", 250, 432),
    ("avatar_320p25_h264b_aac.flv", 282, 486),
    ("bbb_180p24_h264nob_aac_36s.ts", 864, 1687),
    ("dvb_576p_h264_aac_aacfirst.ts", 300, 559),
    ("tos_360p24_pts_wrap_20s.ts", 480, 937),
    ("corrupt/bad_mdat_too_long.mp4", 30, 45),
    ("corrupt/bad_missing_stsd.mp4", 30, 0),
    ("derived/avatar_truncated.flv", 168, 290),
    ("derived/butterfly_truncated.mp4", 128, 188),
    ("derived/bbb_biterrors.ts", 194, 376),
]
"""Files with the pictures and sounds that an independent demuxer counts in them."""


@pytest.mark.parametrize(("name", "pictures", "sounds"), REAL)
def test_real_files_are_read_to_their_end(
    real_media_folder: Path, name: str, pictures: int, sounds: int
) -> None:
    played = play(real_media_folder / name)
    assert played.ended
    assert len([p for p in played.packets if p.kind in PICTURES]) == pytest.approx(pictures, abs=1)
    assert len([p for p in played.track(1) if p.kind is Kind.AUDIO]) == pytest.approx(sounds, abs=1)
    assert all(a.dts <= b.dts for a, b in pairwise(played.packets))
    assert played.changes == []


@pytest.mark.parametrize(("name", "pictures", "sounds"), REAL)
def test_real_files_repeat_without_a_hole(
    real_media_folder: Path, name: str, pictures: int, sounds: int
) -> None:
    path = real_media_folder / name
    once = play(path).track(0)
    played = play(path, until_s=2.5 * (once[-1].dts - once[0].dts) / TIMESCALE).track(0)
    steps = sorted(b.dts - a.dts for a, b in pairwise(once))
    seams = [b.dts - a.dts for a, b in pairwise(played)]
    assert min(seams) > 0
    assert max(seams) <= steps[-1] + TIMESCALE // 3
    assert len(played) > 2 * len(once)


def test_real_damage_is_refused_or_survived(real_media_folder: Path) -> None:
    refused = []
    for path in sorted((real_media_folder / "corrupt").iterdir()):
        try:
            play(path)
        except MediaError:
            refused.append(path.name)
    assert refused == ["bad_free_box.mp4"]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(seconds=2, container="mkv", video_codec="av1", audio_codec="opus"),
        Recipe(seconds=2, container="webm", video_codec="vp9", audio_codec="opus"),
        Recipe(seconds=2, container="ts", video_codec="hevc", audio_codec="eac3"),
        Recipe(seconds=2, container="mkv", audio_codec="flac", bframes=2),
    ],
    ids=["av1", "vp9", "hevc", "flac"],
)
def test_repetitions_change_no_track(media: MediaCache, recipe: Recipe) -> None:
    played = play(media(recipe).path, until_s=5)
    assert [track.codec for track in played.tracks] == [recipe.video_codec, recipe.audio_codec]
    assert all(track.config is not None for track in played.tracks)
    assert played.changes == []
    steps = [b.dts - a.dts for a, b in pairwise(played.track(0))]
    assert max(steps) <= 2 * 3600
    assert min(steps) > 0
