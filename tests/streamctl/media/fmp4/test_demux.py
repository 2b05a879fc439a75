"""Tracks and access units out of segments."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import MediaError, ProtocolError, RemoteProtocolError
from streamctl.media.fmp4.demux import Fmp4Demuxer, Tracks
from streamctl.media.packet import Codec, Kind, Packet
from tests.streamctl.media.fmp4.files import (
    SOUND_SCALE,
    VIDEO_SCALE,
    box,
    edit_list,
    extends,
    fragment,
    full,
    moof_bytes,
    movie,
    picture_entry,
    run,
    sound_entry,
    track,
    track_fragment,
    u,
    usual_movie,
)
from tests.streamctl.media.fmp4.records import AVCC, FRAME, IDR, SLICE

MEDIA = IDR + SLICE + FRAME * 2


def tracks(video_time: int | None, sound_time: int | None, place: int) -> tuple[bytes, bytes]:
    pictures = run((512, 8, 1024), (512, 8, 0), offset=place)
    sound = run((1024, 6, 0), (1024, 6, 0), flags=0x300, offset=place + 16)
    return track_fragment(1, video_time, pictures), track_fragment(2, sound_time, sound)


def segment(video_time: int | None = 0, sound_time: int | None = 0, media: bytes = MEDIA) -> bytes:
    """Two pictures and two frames of sound."""
    place = moof_bytes(*tracks(video_time, sound_time, 0))
    return fragment(*tracks(video_time, sound_time, place), media=media)


def opened(section: bytes | None = None) -> Fmp4Demuxer:
    found = Fmp4Demuxer()
    found.start(usual_movie() if section is None else section)
    return found


def units(demuxer: Fmp4Demuxer, data: bytes) -> list[Packet]:
    return [item for items in demuxer.feed(data) for item in items if isinstance(item, Packet)]


def test_tracks_are_known_with_their_configurations() -> None:
    found = Fmp4Demuxer().start(usual_movie())
    video, sound = found.tracks
    assert (video.id, video.codec, video.config, video.width) == (0, Codec.H264, AVCC, 320)
    assert (sound.id, sound.codec, sound.sample_rate, sound.channels) == (1, Codec.AAC, 48_000, 2)


def test_access_units_come_in_the_order_of_their_decoding_times() -> None:
    found = units(opened(), segment())
    assert [(p.track, p.dts, p.pts, p.dur) for p in found] == [
        (0, 0, 7200, 3600),
        (1, 0, 0, 1920),
        (1, 1920, 1920, 1920),
        (0, 3600, 3600, 3600),
    ]
    assert [p.kind for p in found if p.track == 0] == [Kind.KEY, Kind.P]
    assert found[1].data == FRAME


def test_times_are_absolute_and_those_left_out_go_on() -> None:
    demuxer = opened()
    assert units(demuxer, segment(VIDEO_SCALE * 10, SOUND_SCALE * 10))[0].dts == 900_000
    found = units(demuxer, segment(None, None))
    assert found[0].dts == 900_000 + 2 * 1920
    assert [p.dts for p in found if p.track == 0] == [907_200, 910_800]


def test_short_times_wrap_once() -> None:
    demuxer = opened()
    for time, dts in ((0xFFFFFF00, 30_198_987_000), (0x100, 30_198_990_600)):
        media = run((512, 8, 0), offset=0)
        place = moof_bytes(track_fragment(1, None, full("tfdt", 0, 0, u(time)), media))
        media = run((512, 8, 0), offset=place)
        data = fragment(track_fragment(1, None, full("tfdt", 0, 0, u(time)), media), media=IDR)
        assert units(demuxer, data)[0].dts == dts


def test_edit_lists_move_access_units() -> None:
    section = movie(
        track(1, VIDEO_SCALE, picture_entry(), edits=edit_list((0, 1024))),
        track(2, SOUND_SCALE, sound_entry(), edits=edit_list((0, 1024))),
    )
    found = units(opened(section), segment(VIDEO_SCALE, SOUND_SCALE))
    video = next(p for p in found if p.track == 0)
    assert (video.dts, video.pts) == (90_000 - 7200, 90_000)
    assert next(p for p in found if p.track == 1).pts == 90_000 - 1920


def test_parameter_sets_in_the_pictures_are_told() -> None:
    section = movie(track(1, VIDEO_SCALE, picture_entry("avc3")))
    sps = bytes.fromhex("67640014acd941419f9e1000000300100000030320f1429960")
    changed = sps.replace(b"\x03\x20\xf1", b"\x03\x21\xf1")
    picture = u(len(changed)) + changed + IDR
    place = moof_bytes(track_fragment(1, 0, run((512, len(picture), 0), offset=0)))
    data = fragment(track_fragment(1, 0, run((512, len(picture), 0), offset=place)), media=picture)
    demuxer = opened(section)
    items = [item for found in demuxer.feed(data) for item in found]
    assert isinstance(items[0], Tracks)
    assert items[0].tracks[0].config != AVCC
    assert isinstance(items[1], Packet)
    assert items[1].data == IDR


def test_another_sample_entry_makes_another_track() -> None:
    section = movie(
        track(1, VIDEO_SCALE, picture_entry(), picture_entry("xyz1"), picture_entry(width=640))
    )
    demuxer = opened(section)
    for entry, count in ((2, 0), (3, 1), (9, 0), (1, 1)):
        head = u(entry)
        place = moof_bytes(track_fragment(1, 0, run((1, 8, 0)), flags=0x20002, head=head))
        data = fragment(
            track_fragment(1, 0, run((1, 8, 0), offset=place), flags=0x20002, head=head), media=IDR
        )
        assert len(units(demuxer, data)) == count
    assert demuxer.dropped == 2


def test_a_new_section_begins_anew_on_the_same_clock() -> None:
    demuxer = opened()
    units(demuxer, segment(None, None))
    demuxer.start(usual_movie())
    assert units(demuxer, segment(None, None))[-1].dts == 3600 + 7200


def test_what_can_not_be_read_is_left_out_by_name() -> None:
    demuxer = Fmp4Demuxer()
    demuxer.start(movie(track(1, 1, picture_entry()), track(2, 1, box("enca")), track(3, 1)))
    assert demuxer.left_out == ("`enca` is encrypted",)
    with pytest.raises(MediaError, match="nothing can be read: `encv` is encrypted, `stpp`"):
        Fmp4Demuxer().start(movie(track(1, 1, box("encv")), track(2, 1, box("stpp"))))
    with pytest.raises(MediaError, match="no tracks"):
        Fmp4Demuxer().start(movie())


def test_sound_that_tells_itself_needs_no_record() -> None:
    section = movie(track(1, 48_000, sound_entry("ac-3", box("dac3", b""))))
    assert Fmp4Demuxer().start(section).tracks[0].config is None


def test_damaged_samples_are_counted() -> None:
    demuxer = opened()
    found = units(demuxer, segment(media=u(99) + bytes(4) + SLICE + FRAME * 2))
    assert len(found) == 3
    assert demuxer.dropped == 1


@pytest.mark.parametrize("size", [len(MEDIA) - 1, 20, 0])
def test_a_segment_that_is_cut_off_is_said(size: int) -> None:
    with pytest.raises(RemoteProtocolError, match="is cut off"):
        units(opened(), segment(media=MEDIA[:size]))


def test_samples_may_not_lie_upon_one_another() -> None:
    data = segment()
    many = run(*[(1, 200, 0)] * 50, offset=0)
    with pytest.raises(RemoteProtocolError, match="is cut off"):
        units(opened(), fragment(track_fragment(1, 0, many), media=data))


def test_a_segment_has_no_more_samples_than_bytes() -> None:
    """Each fragment of a few bytes may claim as many as the whole segment has room for."""
    many = fragment(track_fragment(1, 0, full("trun", 0, 0, u(300))))
    assert len(units(opened(), many + bytes(500))) == 0
    with pytest.raises(RemoteProtocolError, match="more samples than bytes"):
        units(opened(), many * 4)


def test_defaults_of_the_movie_hold() -> None:
    section = movie(track(2, 48_000, sound_entry()), defaults=extends(2, duration=1024, size=6))
    place = moof_bytes(track_fragment(2, 0, run((0, 0, 0), (0, 0, 0), flags=0)))
    data = fragment(
        track_fragment(2, 0, run((0, 0, 0), (0, 0, 0), flags=0, offset=place)), media=FRAME * 2
    )
    assert [p.dts for p in units(opened(section), data)] == [0, 1920]


SAMPLE = usual_movie() + segment(), len(usual_movie())


@given(st.data())
def test_damage_ends_in_an_error_of_ours(data: st.DataObject) -> None:
    whole, border = SAMPLE
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    demuxer = Fmp4Demuxer()
    with suppress(ProtocolError, MediaError):
        demuxer.start(bytes(damaged[:border]))
    with suppress(ProtocolError):
        units(demuxer, bytes(damaged[border:]))
