"""Initialization sections."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4 import movie as module
from streamctl.media.fmp4.movie import Defaults, parse_movie
from tests.streamctl.media.fmp4.files import (
    box,
    edit_list,
    extends,
    movie,
    picture_entry,
    sound_entry,
    track,
    usual_movie,
)

GERMAN = (ord("d") - 0x60) << 10 | (ord("e") - 0x60) << 5 | (ord("u") - 0x60)
UNTOLD = (ord("u") - 0x60) << 10 | (ord("n") - 0x60) << 5 | (ord("d") - 0x60)


def test_tracks_have_clocks_entries_and_defaults() -> None:
    video, sound = parse_movie(usual_movie())
    assert (video.id, video.timescale, video.entries[0].title) == (1, 12_800, "avc1")
    assert (sound.id, sound.timescale, sound.entries[0].title) == (2, 48_000, "mp4a")
    assert video.defaults == Defaults()
    assert sound.defaults == Defaults(1, 1024)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("packed", "language"), [(0, ""), (UNTOLD, ""), (GERMAN, "deu")])
def test_languages(version: int, packed: int, language: str) -> None:
    data = movie(track(1, 90_000, sound_entry(), version=version, language=packed))
    assert parse_movie(data)[0].language == language


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("edits", "shift"),
    [
        ((), 0),
        (((0, 1024),), -1024),
        (((500, -1), (0, 1024)), 24_000 - 1024),
        (((500, -1),), 24_000),
        (((0, 0), (100, 999)), 0),
    ],
)
def test_edit_lists_move_times(
    version: int, edits: tuple[tuple[int, int], ...], shift: int
) -> None:
    data = movie(track(1, 48_000, sound_entry(), edits=edit_list(*edits, version=version)))
    assert parse_movie(data)[0].shift == shift


def test_empty_edits_need_the_clock_of_the_movie() -> None:
    one = track(1, 48_000, sound_entry(), edits=edit_list((500, -1)))
    assert parse_movie(box("moov", one))[0].shift == 0


def test_defaults_of_unknown_tracks_are_left() -> None:
    found = parse_movie(movie(track(1, 48_000, sound_entry()), defaults=extends(7, duration=3)))
    assert found[0].defaults == Defaults()


def test_there_are_not_too_many_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRACKS", 2)
    data = movie(*(track(number, 1, picture_entry()) for number in range(1, 5)))
    assert [each.id for each in parse_movie(data)] == [1, 2]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "without `moov`"),
        (box("ftyp", b"iso6"), "without `moov`"),
        (box("moov", box("trak")), "no box `tkhd`"),
        (movie(track(1, 0, sound_entry())), "without a timescale"),
        (usual_movie()[:-1], "is cut off"),
    ],
)
def test_damage_is_said(data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        parse_movie(data)
