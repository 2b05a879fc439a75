from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media.codecs import complete
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.demux import MAX_PICTURE_TRACKS, MAX_TRACKS, UNREAD, Tracks, TsDemuxer
from streamctl.media.packet import TIMESCALE, Codec, Kind, Media, Packet, Track
from tests.streamctl.media.mpegts.movie import DATA, MOVIE, damaged, picture, sound_pid, written
from tests.streamctl.media.mpegts.packets import packet as ts_packet
from tests.streamctl.media.mpegts.test_frames import AC3, MP2
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    VIDEO,
    pictures_of,
)
from tests.streamctl.media.test_latm import STEREO, loas
from tests.support.broadcast import broadcast, variants
from tests.support.ts_build import (
    SECOND,
    Component,
    Program,
    Unit,
    Writer,
    descriptor,
    multiplex,
    pat,
    pes,
    pmt,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.media import MediaCache

WRAP = 1 << 33
SHORT = variants(2.5)
REAL = Path(os.environ.get("STREAMCTL_TEST_MEDIA", "/nowhere"))

Taken = list[Packet | Tracks]


def demuxed(data: bytes, step: int = 1000, demuxer: TsDemuxer | None = None) -> Taken:
    demuxer = demuxer or TsDemuxer()
    out: Taken = []
    for at in range(0, len(data), step * 188):
        out += demuxer.feed(data[at : at + step * 188])
    return out + demuxer.flush()


def packets_of(taken: Iterable[Packet | Tracks], track: int | None = None) -> list[Packet]:
    found = [item for item in taken if isinstance(item, Packet)]
    return [item for item in found if track in (None, item.track)]


def tracks_of(taken: Iterable[Packet | Tracks]) -> list[tuple[Track, ...]]:
    return [item.tracks for item in taken if isinstance(item, Tracks)]


def test_what_was_multiplexed_comes_back() -> None:
    taken = demuxed(DATA)
    bare = [(p.track, p.pts, p.dts, p.kind, p.data) for p in MOVIE]
    found = [(p.track, p.pts, p.dts, p.kind, p.data) for p in packets_of(taken)]
    assert sorted(found) == sorted(bare)
    video, audio = tracks_of(taken)[-1]
    assert (video.config, video.width) == (VIDEO.config, 1280)
    assert (audio.config, audio.sample_rate) == (AUDIO.config, 48_000)


@pytest.mark.parametrize("step", [1, 7, 63, 64, 65])
def test_batches_of_any_size_give_the_same(step: int) -> None:
    assert demuxed(DATA, step) == demuxed(DATA, step=len(DATA))


def test_tracks_are_announced_before_their_packets() -> None:
    announced: dict[int, Track] = {}
    for item in demuxed(DATA):
        if isinstance(item, Tracks):
            announced = {track.id: track for track in item.tracks}
        else:
            assert announced[item.track].config is not None


def test_first_tracks_have_no_configuration_yet() -> None:
    first = tracks_of(TsDemuxer().feed(DATA[: 3 * 188]))[0]
    assert [(track.codec, track.config) for track in first] == [
        (Codec.H264, None),
        (Codec.AAC, None),
    ]


def test_times_go_on_from_an_anchor_and_over_the_wrap() -> None:
    moved = [
        replace(one, pts=one.pts + WRAP - SECOND, dts=one.dts + WRAP - SECOND) for one in MOVIE
    ]
    demuxer = TsDemuxer()
    demuxer.anchor(7 * WRAP)
    found = packets_of(demuxed(written(moved, VIDEO, AUDIO), 100, demuxer))
    assert sorted(one.dts - 7 * WRAP + SECOND for one in found) == sorted(one.dts for one in MOVIE)


def service(*components: Component, number: int = 1, pmt_pid: int = 0x20) -> Program:
    return Program(number, f"Test {number}", pmt_pid, 0x1FFE, components)


def sent(*programs: Program) -> bytes:
    return multiplex(programs)


def with_map(writer: Writer, program: Program, version: int) -> None:
    """A new map, and what its program has from then on."""
    writer.section(0, pat([program]))
    writer.section(program.pmt_pid, pmt(program, version))
    for part in program.components:
        for unit in part.units:
            writer.unit(part.pid, unit.data)


def test_a_track_may_come_late_and_another_go() -> None:
    writer = Writer()
    with_map(writer, service(sound_pid(0x101)), 0)
    with_map(writer, service(sound_pid(0x101, first=SECOND), sound_pid(0x102, first=SECOND)), 1)
    with_map(writer, service(sound_pid(0x102, first=2 * SECOND)), 2)
    taken = demuxed(b"".join(writer.packets))
    sets = [tuple(track.id for track in tracks) for tracks in tracks_of(taken)]
    assert sets == [(0,), (0,), (0, 1), (0, 1), (1,)]
    assert [len(packets_of(taken, number)) for number in (0, 1)] == [40, 40]


def test_a_track_stays_itself_when_its_language_is_told() -> None:
    writer = Writer()
    with_map(writer, service(sound_pid(0x101)), 0)
    with_map(writer, service(sound_pid(0x101, first=SECOND, language="deu")), 1)
    taken = demuxed(b"".join(writer.packets))
    last = tracks_of(taken)[-1]
    assert [(track.id, track.language, track.config) for track in last] == [(0, "deu", b"")]
    assert len(packets_of(taken, 0)) == 40


def test_descriptors_of_data_may_change() -> None:
    def subtitles(page: bytes) -> Program:
        units = [Unit(0, pes(0xBD, b"\x20\0\x0f\xff", SECOND))]
        return service(Component(0x101, 0x06, units, descriptor(0x59, page)))

    writer = Writer()
    with_map(writer, subtitles(b"eng\x10\0\1\0\1"), 0)
    with_map(writer, subtitles(b"fra\x10\0\2\0\2"), 1)
    first, last = (tracks[0] for tracks in tracks_of(demuxed(b"".join(writer.packets))))
    assert (first.id, first.language, last.id, last.language) == (0, "eng", 0, "fra")
    assert last.config == b"\x06" + descriptor(0x59, b"fra\x10\0\2\0\2")


def test_a_stream_of_another_type_is_another_track() -> None:
    writer = Writer()
    with_map(writer, service(sound_pid(0x101)), 0)
    units = [Unit(0, pes(0xBD, AC3, SECOND + n * 2880)) for n in range(3)]
    with_map(writer, service(Component(0x101, 0x81, units)), 1)
    taken = demuxed(b"".join(writer.packets))
    assert [track.codec for track in tracks_of(taken)[-1]] == [Codec.AC3]
    assert [len(packets_of(taken, number)) for number in (0, 1)] == [20, 3]


def test_a_program_is_chosen_by_number_and_streams_by_pid() -> None:
    data = sent(
        service(sound_pid(0x101)),
        service(sound_pid(0x201), sound_pid(0x202), number=2, pmt_pid=0x21),
    )
    assert tracks_of(demuxed(data))[-1][0].id == 0
    both, one = TsDemuxer(2), TsDemuxer(2, [0x202])
    assert len(packets_of(demuxed(data, demuxer=both))) == 40
    assert len(packets_of(demuxed(data, demuxer=one))) == 20
    assert (len(both.tracks), len(one.tracks)) == (2, 1)


def test_what_cant_be_read_is_named() -> None:
    others = [Component(0x300 + n, kind, []) for n, kind in enumerate((0x0B, 0x33, 0x10))]
    demuxer = TsDemuxer()
    demuxed(sent(service(sound_pid(0x101), *others)), demuxer=demuxer)
    assert demuxer.left_out == dict.fromkeys((0x300, 0x301, 0x302), UNREAD)


def test_sound_in_private_clothes_is_read() -> None:
    opus = descriptor(0x05, b"Opus") + descriptor(0x7F, b"\x80\x02")
    frame = b"\x7f\xe0\x03\xfc\1\2"
    parts = [
        Component(0x101, 0x06, [Unit(0, pes(0xBD, frame, SECOND))], opus),
        Component(0x102, 0x11, [Unit(0, pes(0xC0, loas([b"raw"], STEREO), SECOND))]),
    ]
    demuxer = TsDemuxer()
    found = packets_of(demuxed(sent(service(*parts)), demuxer=demuxer))
    assert [one.data for one in found] == [b"\xfc\1\2", b"raw"]
    assert [(one.codec, one.channels) for one in demuxer.tracks] == [
        (Codec.OPUS, 2),
        (Codec.AAC, 2),
    ]


def test_tracks_are_bounded() -> None:
    many = [Component(0x300 + n, 0x06, []) for n in range(2 * MAX_TRACKS)]
    views = [Component(0x200 + n, 0x1B, []) for n in range(2 * MAX_PICTURE_TRACKS)]
    demuxer = TsDemuxer()
    demuxed(sent(service(*views, *many, sound_pid(0x101))), demuxer=demuxer)
    assert len(demuxer.tracks) == MAX_TRACKS
    assert sum(track.media is Media.VIDEO for track in demuxer.tracks) == MAX_PICTURE_TRACKS
    assert demuxer.left_out[0x200 + MAX_PICTURE_TRACKS] == "one of more than 4 video tracks"
    assert demuxer.left_out[0x101] == "one of more than 64 tracks"


def test_a_scrambled_program_is_named_as_such() -> None:
    demuxer = TsDemuxer()
    assert not demuxer.scrambled
    demuxer.feed(sent(service(sound_pid(0x101), sound_pid(0x102))))
    assert not demuxer.scrambled
    secret = pes(0xC0, MP2[:150], 0)
    for pid, scrambled in ((0x101, False), (0x102, True)):
        demuxer.feed(ts_packet(pid, 5, secret, start=True, scrambling=3))
        assert demuxer.scrambled is scrambled


def test_a_lost_packet_marks_its_picture() -> None:
    data = written([picture(number * 3600, 2000) for number in range(20)], VIDEO)
    rows = [at for at in range(0, len(data), 188) if data[at + 2] == 0 and not data[at + 1] & 0x40]
    cut = rows[len(rows) // 2]
    found = packets_of(demuxed(data[:cut] + data[cut + 188 :]))
    assert [one.flags for one in found if one.flags] == [8]


@pytest.fixture(scope="module", params=list(SHORT))
def capture(request: pytest.FixtureRequest, media: MediaCache) -> tuple[str, bytes]:
    name = str(request.param)
    return name, broadcast(media, SHORT[name]).data


def test_captures_are_taken_apart_as_others_do(capture: tuple[str, bytes], tmp_path: Path) -> None:
    name, data = capture
    wanted = SHORT[name]
    demuxer = TsDemuxer()
    taken = demuxed(data, 300, demuxer)
    tracks = demuxer.tracks
    kinds = [Codec.TELETEXT, Codec.DVBSUB, Codec.SCTE35, Codec.KLV, Codec.ID3]
    assert [track.codec for track in tracks][-5:] == kinds
    assert (demuxer.left_out, demuxer.time.faults) == ({}, {})
    for track in tracks:
        assert complete(track).config is not None
        if track.media is Media.DATA:
            assert packets_of(taken, track.id)
    path = tmp_path / "capture.ts"
    path.write_bytes(data)
    assert media_of(taken, tracks) == oracle(path, len(tracks) - 5)
    assert [track.language for track in tracks if track.media is Media.AUDIO] == ["eng", "spa"]
    assert bool(wanted.video) == any(track.media is Media.VIDEO for track in tracks)


def media_of(taken: Taken, tracks: Sequence[Track]) -> list[list[tuple[int, int, bool]]]:
    """Times modulo the wrap, and what may be joined at, of all units with picture or sound."""
    return [
        [(one.pts % WRAP, one.dts % WRAP, one.kind is not Kind.P and one.kind is not Kind.B)
         for one in packets_of(taken, track.id)]
        for track in tracks
        if track.media is not Media.DATA
    ]  # fmt: skip


def oracle(path: Path, count: int) -> list[list[tuple[int, int, bool]]]:
    """The same by libav, of the first streams of the first program."""
    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type in {"video", "audio"}][:count]
        found: dict[int, list[tuple[int, int, bool]]] = {s.index: [] for s in streams}
        for one in container.demux(streams):
            if one.size and one.pts is not None and one.dts is not None:
                assert one.time_base == Fraction(1, TIMESCALE)
                times = (one.pts % WRAP, one.dts % WRAP, bool(one.is_keyframe))
                found[one.stream_index].append(times)
    return list(found.values())


def real_files() -> list[Path]:
    names = ["bbb_1080p24_mpeg2_mp2", "bbb_1080p30_h264_mp2", "bbb_180p24_h264nob_aac_36s"]
    names += ["bee_hls/bee0", "derived/bbb_480p24_8s", "dvb_576p_h264_aac_aacfirst"]
    names += ["h264_no_aud", "tos_360p24_pts_wrap_20s", "derived/bbb_biterrors"]
    return [REAL / f"{name}.ts" for name in names]


@pytest.mark.skipif(not REAL.is_dir(), reason="STREAMCTL_TEST_MEDIA names no folder")
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.stem)
def test_real_captures_are_taken_apart_as_others_do(path: Path) -> None:
    demuxer, aligner = TsDemuxer(), Aligner()
    taken = demuxed(bytes(aligner.feed(path.read_bytes())), 300, demuxer)
    assert media_of(taken, demuxer.tracks) == oracle(path, len(demuxer.tracks))


def remuxed(taken: Taken, tracks: Sequence[Track]) -> bytes:
    """The same access units in another transport stream."""
    shown = [complete(track) for track in tracks]
    units = [one for one in packets_of(taken) if one.kind is not Kind.DATA]
    return written(sorted(units, key=lambda one: one.dts), *shown)


@pytest.mark.parametrize("name", ["everything", "HEVC"])
def test_pictures_are_the_same_when_taken_apart(
    media: MediaCache, tmp_path: Path, name: str
) -> None:
    demuxer = TsDemuxer()
    data = broadcast(media, SHORT[name]).data
    before, after = tmp_path / "before.ts", tmp_path / "after.ts"
    before.write_bytes(data)
    after.write_bytes(remuxed(demuxed(data, demuxer=demuxer), demuxer.tracks))
    assert pictures_of(after) == pictures_of(before)


@pytest.mark.skipif(not REAL.is_dir(), reason="STREAMCTL_TEST_MEDIA names no folder")
@pytest.mark.parametrize(
    "name", ["sintel_cea608_aac", "phone_hevc_720x1280_aac_10s", "tos_360p24_pts_wrap_20s"]
)
def test_real_pictures_are_the_same_when_taken_apart(tmp_path: Path, name: str) -> None:
    demuxer = TsDemuxer()
    path, after = REAL / f"{name}.ts", tmp_path / "after.ts"
    taken = demuxed(bytes(Aligner().feed(path.read_bytes())), demuxer=demuxer)
    after.write_bytes(remuxed(taken, demuxer.tracks))
    assert pictures_of(after) == pictures_of(path)


@settings(max_examples=60)
@given(damaged(), st.integers(1, 200))
def test_damaged_streams_raise_nothing(data: bytes, step: int) -> None:
    demuxer, aligner = TsDemuxer(), Aligner()
    found = demuxed(bytes(aligner.feed(data)), step, demuxer)
    assert len(demuxer.tracks) <= MAX_TRACKS
    assert sum(len(one.data) for one in packets_of(found)) <= len(data)


@given(st.lists(st.binary(min_size=187, max_size=187), max_size=20))
def test_noise_behind_tables_raises_nothing(rests: list[bytes]) -> None:
    kinds = (0x1B, 0x24, 0x02, 0x0F, 0x81, 0x87, 0x86, 0x06)
    program = service(*(Component(0x100 + n, kind, []) for n, kind in enumerate(kinds)))
    demuxer = TsDemuxer()
    writer = Writer()
    with_map(writer, program, 0)
    demuxer.feed(b"".join(writer.packets))
    for number, rest in enumerate(rests):
        pid = bytes((rest[0] & 0xE0 | 1, number % len(kinds)))
        demuxer.feed(b"\x47" + pid + rest[2:])
    demuxer.flush()
