from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.mpegts.mux import MAX_STREAMS, PCR_LEAD, TsMuxer
from streamctl.media.mpegts.pidmap import FIRST_PID, PMT_PID
from streamctl.media.mpegts.psi import PmtStream, StreamType
from streamctl.media.packet import Codec, Packet, Track
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    SOUND,
    VIDEO,
    interleaved,
    pcrs,
    pes_packets,
    picture,
    pictures,
    program_maps,
    sound,
    sounds,
    steps,
    ts_packets,
)
from tests.streamctl.media.test_opus import STEREO

VIDEO_PID, AUDIO_PID = FIRST_PID, FIRST_PID + 1
PCR_LIMIT = 9000


def muxer(*tracks: Track) -> TsMuxer:
    made = TsMuxer()
    made.announce(tracks)
    return made


def run(made: TsMuxer, packets: list[Packet]) -> bytes:
    return b"".join(made.unit(packet, False) for packet in packets)


def streams(made: TsMuxer) -> dict[int, int]:
    """PID and type of what the program map announces."""
    (table,) = program_maps(made.tables())
    return {stream.pid: stream.stream_type for stream in table.streams}


def test_the_tables_announce_what_is_carried() -> None:
    made = muxer(replace(VIDEO, language="und"), replace(AUDIO, language="deu"))
    (table,) = program_maps(made.tables())
    assert table.pcr_pid == VIDEO_PID
    assert table.streams == (
        PmtStream(StreamType.H264, VIDEO_PID, b"\x0a\x04und\0"),
        PmtStream(StreamType.AAC_ADTS, AUDIO_PID, b"\x0a\x04deu\0"),
    )
    assert [packet.pid for packet in ts_packets(made.tables())] == [0, PMT_PID]


def test_the_first_video_leads_else_the_first_sound() -> None:
    assert muxer(AUDIO, VIDEO).leads(VIDEO.id)
    assert not muxer(AUDIO, VIDEO).leads(AUDIO.id)
    assert muxer(AUDIO, replace(SOUND, id=7)).leads(AUDIO.id)
    assert not muxer().leads(0)
    assert muxer(AUDIO, VIDEO).has_video
    assert not muxer(AUDIO).has_video


def test_what_can_not_be_carried_is_left_out() -> None:
    made = muxer(Track(5, Codec.OPUS, b""), VIDEO, Track(6, Codec.AAC))
    assert streams(made) == {VIDEO_PID: StreamType.H264}
    assert made.unit(sound(0, track=5), False) == b""
    assert made.unit(sound(0, track=6), False) == b""
    assert made.unit(replace(picture(0), data=b"\0\0\0\x09"), False) == b""


def test_a_program_without_streams_has_no_clock() -> None:
    made = muxer()
    (table,) = program_maps(made.tables())
    assert (table.pcr_pid, table.streams) == (0x1FFF, ())
    assert made.keep_time(0) == b""


def test_one_section_holds_all_streams_there_may_be() -> None:
    tracks = [replace(AUDIO, id=n, language="deu") for n in range(100)]
    assert len(streams(muxer(*tracks))) == MAX_STREAMS


def test_the_version_rises_only_with_a_difference() -> None:
    made = muxer(VIDEO, AUDIO)
    versions = []
    for tracks in ([VIDEO, AUDIO], [replace(VIDEO, width=4)], [VIDEO], [VIDEO, AUDIO]):
        made.announce(tracks)
        versions += [table.version for table in program_maps(made.tables())]
    assert versions == [1, 2, 2, 3]


def test_versions_wrap() -> None:
    made = muxer()
    for _ in range(20):
        made.announce([VIDEO])
        made.announce([AUDIO])
    assert program_maps(made.tables())[0].version == 40 % 32


def test_pids_are_kept_by_type_and_language() -> None:
    german, english = replace(AUDIO, id=1, language="deu"), replace(AUDIO, id=2, language="eng")
    made = muxer(VIDEO, german, english)
    made.announce([replace(english, id=0), replace(VIDEO, id=1), replace(german, id=2)])
    (table,) = program_maps(made.tables())
    assert [stream.pid for stream in table.streams] == [0x102, 0x100, 0x101]
    made.announce([replace(AUDIO, id=0, language="fra"), replace(AUDIO, id=1, language="eng")])
    (table,) = program_maps(made.tables())
    assert [stream.pid for stream in table.streams] == [0x101, 0x102]


def test_a_stream_of_another_type_gets_its_own_pid_for_good() -> None:
    mp3 = Track(1, Codec.MP3, b"", sample_rate=44_100)
    made = muxer(VIDEO, AUDIO)
    for _ in range(3):
        made.announce([VIDEO, mp3])
        assert list(streams(made)) == [0x100, 0x102]
        made.announce([VIDEO, AUDIO])
        assert list(streams(made)) == [0x100, 0x101]


def test_discontinuities_announce_the_next_counters() -> None:
    made = muxer(VIDEO, AUDIO)
    before = made.tables() + run(made, [picture(0, key=True), sound(0), picture(3600)])
    signals = ts_packets(made.discontinuities())
    after = made.tables() + run(made, [picture(7200), sound(1920)])
    assert [packet.pid for packet in signals] == [0, PMT_PID, VIDEO_PID, AUDIO_PID]
    for signal in signals:
        assert (signal.flags, signal.payload) == (0x80, None)
        assert ts_packets(before, signal.pid)[-1].counter == signal.counter
        assert ts_packets(after, signal.pid)[0].counter == (signal.counter + 1) % 16


def test_random_access_is_indicated_where_asked() -> None:
    made = muxer(VIDEO, AUDIO)
    data = made.unit(picture(0, key=True), True) + made.unit(picture(3600), False)
    assert [pes.first.flags for pes in pes_packets(data, VIDEO_PID)] == [0x50, 0x10]
    assert ts_packets(made.unit(sound(0), True))[0].flags == 0x40
    assert ts_packets(made.unit(sound(0), False))[0].flags == 0


def test_every_picture_has_a_clock_reference_ahead_of_its_decoding() -> None:
    made = muxer(VIDEO, AUDIO)
    data = run(made, interleaved(pictures(50, start=10**6), sounds(90, start=10**6)))
    assert pcrs(data, VIDEO_PID) == [10**6 - PCR_LEAD + n * 3600 for n in range(50)]
    assert pcrs(data, AUDIO_PID) == []


def test_sound_alone_carries_the_clock() -> None:
    data = run(muxer(AUDIO), sounds(50, start=10**6))
    assert pcrs(data, FIRST_PID) == [10**6 - PCR_LEAD + n * 1920 for n in range(50)]


@pytest.mark.parametrize("step", [9000, 9001, 18_000, 90_000, 450_000])
@pytest.mark.parametrize("with_sound", [False, True])
def test_rare_pictures_do_not_starve_the_clock(step: int, *, with_sound: bool) -> None:
    made = muxer(VIDEO, AUDIO)
    run_of_sound = sounds(6 * step // 1920, start=100) if with_sound else []
    data = run(made, interleaved(pictures(6, step=step), run_of_sound))
    distances = steps(pcrs(data, VIDEO_PID))
    assert max(distances) <= PCR_LIMIT
    assert min(distances) > 0
    times = [pes.first.pcr for pes in pes_packets(data, VIDEO_PID)]
    assert times == [(n * step - PCR_LEAD) % (1 << 33) for n in range(6)]


def test_a_track_that_never_comes_does_not_stop_the_clock() -> None:
    data = run(muxer(VIDEO, AUDIO), sounds(200))
    times = pcrs(data, VIDEO_PID)
    assert times[0] == -PCR_LEAD % (1 << 33)
    assert max(steps(times)) <= PCR_LIMIT
    assert sum(steps(times)) >= 199 * 1920 - PCR_LIMIT


def test_pictures_behind_the_sound_do_not_turn_the_clock_back() -> None:
    made = muxer(VIDEO, AUDIO)
    late = run(made, [picture(0, key=True), *sounds(15), *pictures(20, start=3600, gop=99)])
    assert all(0 < step <= PCR_LIMIT for step in steps(pcrs(late, VIDEO_PID)))


def test_a_gap_too_long_to_fill_is_a_discontinuity_of_the_clock() -> None:
    made = muxer(VIDEO)
    data = run(made, [picture(0, key=True), picture(900_000)])
    assert pcrs(data, VIDEO_PID) == [-PCR_LEAD % (1 << 33), 900_000 - PCR_LEAD]
    assert pes_packets(data, VIDEO_PID)[1].first.flags == 0x90


@pytest.mark.parametrize("told", [False, True])
def test_the_clock_starts_anew_where_times_jump(*, told: bool) -> None:
    made = muxer(VIDEO)
    run(made, [picture(10**9)])
    made.restart_clock(told=told)
    data = run(made, [picture(0), picture(3600)])
    assert pcrs(data, VIDEO_PID) == [(at - PCR_LEAD) % (1 << 33) for at in (0, 3600)]
    flags = [packet.flags for packet in ts_packets(data, VIDEO_PID) if packet.pcr is not None]
    assert flags == [0x90 if told else 0x10, 0x10]


def test_the_clock_moves_to_video_that_comes_later() -> None:
    made = muxer(AUDIO)
    run(made, sounds(10, start=10**6))
    made.announce([AUDIO, VIDEO])
    data = run(made, [picture(10**6)])
    assert program_maps(made.tables())[0].pcr_pid == FIRST_PID + 1
    assert pcrs(data, FIRST_PID + 1) == [10**6 - PCR_LEAD]


def test_sound_tracks_are_told_apart_by_language_and_format() -> None:
    made = muxer(
        Track(0, Codec.OPUS, STEREO, language="eng"),
        Track(1, Codec.OPUS, STEREO, language="deu"),
        Track(2, Codec.AC3, b"", language="fra"),
    )
    (found,) = program_maps(made.tables())
    opus = b"\x05\x04Opus\x7f\x02\x80\x02\x0a\x04"
    assert [(stream.stream_type, stream.descriptors) for stream in found.streams] == [
        (0x06, opus + b"eng\0"),
        (0x06, opus + b"deu\0"),
        (0x81, b"\x05\x04AC-3\x0a\x04fra\0"),
    ]
    assert len({stream.pid for stream in found.streams}) == 3
