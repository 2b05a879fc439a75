"""What of a playlist is fetched, load after load."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from streamctl_hls.wire.follow import BEGUN_ANEW, STALE_LOADS, TAGGED, Follower, Piece
from streamctl_hls.wire.playlist import Key, MediaPlaylist, Part, Resource, Segment, Span

KEY = Key("AES-128", "k", None)


def segment(number: int, name: str = "s", **changes: object) -> Segment:
    values: dict[str, object] = {
        "sequence": number,
        "at": Resource(f"http://h/{name}{number}.ts?token={number}"),
        "duration_s": 2.0,
        "discontinuity": False,
        "gap": False,
        "key": None,
        "map": None,
    }
    return Segment(**(values | changes))  # type: ignore[arg-type]


def playlist(first: int, end: int, name: str = "s", **changes: object) -> MediaPlaylist:
    segments = tuple(segment(number, name) for number in range(first, end))
    values: dict[str, object] = {"segments": segments, "ended": False} | changes
    return MediaPlaylist(2.0, first, **values)  # type: ignore[arg-type]


def parts(number: int, count: int) -> tuple[Part, ...]:
    return tuple(
        Part(Resource(f"http://h/{number}.{i}.ts"), 0.5, i % 2 == 0, False) for i in range(count)
    )


def low(first: int, end: int, growing: int, **changes: object) -> MediaPlaylist:
    """Segments of four parts each, and one of which some parts are there."""
    segments = [segment(number, parts=parts(number, 4)) for number in range(first, end)]
    if growing:
        segments.append(segment(end, at=None, parts=parts(end, growing)))
    values: dict[str, object] = {
        "segments": tuple(segments),
        "ended": False,
        "blocking": True,
        "part_target_s": 0.5,
        "part_hold_back_s": 1.5,
    }
    return MediaPlaylist(2.0, first, **(values | changes))  # type: ignore[arg-type]


def numbers(pieces: list[Piece]) -> list[int | tuple[int, int]]:
    return [p.sequence if p.part < 0 else (p.sequence, p.part) for p in pieces]


def test_live_playlists_begin_three_target_durations_from_their_end() -> None:
    assert numbers(Follower().take(playlist(10, 20))) == [17, 18, 19]
    assert numbers(Follower().take(playlist(10, 12))) == [10, 11]
    assert numbers(Follower().take(playlist(10, 20, hold_back_s=9.0))) == [15, 16, 17, 18, 19]


def test_playlists_that_have_ended_begin_at_their_beginning() -> None:
    assert numbers(Follower().take(playlist(10, 15, ended=True))) == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    ("start_s", "first"),
    [(0.0, 0), (3.9, 1), (4.0, 2), (999.0, 9), (-1.0, 9), (-4.0, 8), (-5.0, 7), (-999.0, 0)],
)
def test_a_playlist_that_has_ended_begins_where_it_says(start_s: float, first: int) -> None:
    assert Follower().take(playlist(0, 10, ended=True, start_s=start_s))[0].sequence == first


@pytest.mark.parametrize(
    ("start_s", "first"), [(-1.0, 17), (-8.0, 16), (-9.0, 15), (-999.0, 10), (0.0, 17), (4.0, 17)]
)
def test_a_live_playlist_begins_no_nearer_to_its_end_than_usual(start_s: float, first: int) -> None:
    follower = Follower()
    assert follower.take(playlist(10, 20, start_s=start_s))[0].sequence == first
    assert follower.behind_s == max(0.0, -start_s)


def test_the_multivariant_playlist_tells_where_to_begin_unless_the_other_does() -> None:
    follower = Follower()
    follower.start_s = -8.0
    assert follower.take(playlist(10, 20))[0].sequence == 16
    follower = Follower()
    follower.start_s = -8.0
    assert follower.take(playlist(10, 20, start_s=-12.0))[0].sequence == 14


def test_parts_begin_further_back_where_that_is_wanted() -> None:
    assert numbers(Follower().take(low(10, 20, 2, start_s=-2.5)))[0] == 19
    assert numbers(Follower().take(low(10, 20, 2, start_s=-0.5)))[0] == (19, 2)


def test_an_empty_playlist_begins_with_what_comes() -> None:
    follower = Follower()
    assert follower.take(playlist(4, 4)) == []
    assert numbers(follower.take(playlist(4, 5))) == [4]


def test_each_segment_comes_once() -> None:
    follower = Follower()
    follower.take(playlist(0, 6))
    assert follower.take(playlist(0, 6)) == []
    assert numbers(follower.take(playlist(1, 8))) == [6, 7]


def test_segments_that_are_gone_are_told() -> None:
    follower = Follower()
    follower.take(playlist(0, 6))
    found = follower.take(playlist(9, 11))
    assert numbers(found) == [9, 10]
    assert "3 segments were gone" in found[0].missed
    assert found[1].missed == ""
    assert follower.lost == 3


def test_a_discontinuity_is_told_with_its_segment() -> None:
    follower = Follower()
    follower.take(playlist(0, 3))
    segments = (segment(3), segment(4, discontinuity=True), segment(5))
    found = follower.take(playlist(3, 3, segments=segments))
    assert [each.broken for each in found] == ["", TAGGED, ""]


def test_a_gap_has_nothing_to_fetch() -> None:
    found = Follower().take(playlist(0, 0, segments=(segment(0, gap=True), segment(1))))
    assert [each.at is None for each in found] == [True, False]


def test_an_old_playlist_is_passed_over() -> None:
    follower = Follower()
    follower.take(playlist(0, 10))
    assert follower.take(playlist(0, 9)) == []
    assert numbers(follower.take(playlist(1, 11))) == [10]


def test_numbers_that_begin_anew_with_other_names_are_followed_at_once() -> None:
    follower = Follower()
    follower.take(playlist(0, 10))
    found = follower.take(playlist(0, 2, "new"))
    assert numbers(found) == [0, 1]
    assert [each.broken for each in found] == [BEGUN_ANEW, ""]


def test_numbers_that_begin_anew_with_the_same_names_are_followed_when_they_stay() -> None:
    follower = Follower()
    follower.take(playlist(490, 500))
    for _ in range(STALE_LOADS - 1):
        assert follower.take(playlist(0, 2)) == []
    assert numbers(follower.take(playlist(0, 3))) == [0, 1, 2]
    assert numbers(follower.take(playlist(0, 4))) == [3]


@pytest.mark.parametrize("single", [True, False])
def test_numbers_that_never_change_go_on(single: bool) -> None:
    """As ffmpeg lists the ranges of a single file, live."""

    def still(first: int) -> MediaPlaylist:
        segments = []
        for place in range(8):
            number = first + place
            span = Span(number * 100, 100)
            at = Resource("http://h/all.ts", span) if single else Resource(f"http://h/s{number}")
            segments.append(segment(place, at=at))
        return playlist(0, 8, segments=tuple(segments))

    follower = Follower()
    assert numbers(follower.take(still(0))) == [5, 6, 7]
    taken = [piece for first in (0, 1, 3, 3, 4) for piece in follower.take(still(first))]
    assert numbers(taken) == [8, 9, 10, 11]
    assert [piece.broken + piece.missed for piece in taken] == [""] * 4
    ends = [piece.at.span.start if piece.at and piece.at.span else 0 for piece in taken]
    assert ends == ([800, 900, 1000, 1100] if single else [0] * 4)
    assert follower.wanted("u", playlist(0, 8, blocking=True)) == "u?_HLS_msn=8"
    # What is known is gone by now.
    assert follower.take(still(30)) == []


def test_long_lists_are_followed_in_no_time() -> None:
    """What a server lists is not known before; this is done while all other streams wait."""
    listed = playlist(0, 30_005).segments

    def still(first: int) -> MediaPlaylist:
        newest = enumerate(listed[first : first + 30_000])
        segments = tuple(replace(each, sequence=place) for place, each in newest)
        return playlist(0, 0, segments=segments)

    lists = [still(first) for first in range(5)]
    follower = Follower()
    began = time.thread_time()
    taken = [numbers(follower.take(one)) for one in lists]
    assert time.thread_time() - began < 0.5
    assert taken == [[29_997, 29_998, 29_999], [30_000], [30_001], [30_002], [30_003]]
    assert follower.lost == 0


def test_a_loop_begins_anew_with_its_reason() -> None:
    follower = Follower()
    follower.take(playlist(0, 2, ended=True))
    follower.restart("again")
    found = follower.take(playlist(0, 2, ended=True))
    assert numbers(found) == [0, 1]
    assert found[0].broken == "again"


@pytest.mark.parametrize(("first", "end", "expected"), [(4, 9, [6, 7, 8]), (8, 10, [8, 9])])
def test_another_playlist_goes_on_where_the_last_one_was(
    first: int, end: int, expected: list[int]
) -> None:
    follower = Follower()
    follower.resume(6, "other")
    found = follower.take(playlist(first, end))
    assert numbers(found) == expected
    assert found[0].broken == "other"


def test_parts_begin_with_an_independent_one_near_the_end() -> None:
    assert numbers(Follower().take(low(0, 5, 3))) == [(5, 0), (5, 1), (5, 2)]
    assert numbers(Follower().take(low(0, 5, 1))) == [(4, 2), (4, 3), (5, 0)]
    found = Follower().take(low(0, 5, 1, part_hold_back_s=0.0))
    assert numbers(found) == [(4, 2), (4, 3), (5, 0)]


def test_parts_come_once_and_the_rest_of_their_segment_follows() -> None:
    follower = Follower()
    follower.take(low(0, 5, 3))
    assert follower.take(low(0, 5, 3)) == []
    assert numbers(follower.take(low(0, 6, 1))) == [(5, 3), (6, 0)]
    assert numbers(follower.take(low(1, 7, 0))) == [(6, 1), (6, 2), (6, 3)]
    assert numbers(follower.take(low(2, 8, 2))) == [7, (8, 0), (8, 1)]


def test_a_segment_whose_parts_are_gone_is_lost() -> None:
    follower = Follower()
    follower.take(low(0, 5, 3))
    found = follower.take(playlist(5, 7))
    assert numbers(found) == [6]
    assert "1 segments were gone" in found[0].missed


def test_parts_of_encrypted_segments_are_not_read() -> None:
    sealed = tuple(segment(n, key=KEY, parts=parts(n, 4)) for n in range(5))
    growing = segment(5, at=None, key=KEY, parts=parts(5, 2))
    found = Follower().take(low(0, 5, 0, segments=(*sealed, growing)))
    assert numbers(found) == [2, 3, 4]


def test_a_list_whose_old_segments_have_no_parts_begins_with_a_segment() -> None:
    old = tuple(segment(n) for n in range(5))
    growing = segment(5, at=None, parts=parts(5, 1))
    found = Follower().take(low(0, 5, 0, segments=(*old, growing)))
    assert numbers(found) == [2, 3, 4, (5, 0)]


def test_a_server_that_can_wait_is_asked_for_what_is_not_there_yet() -> None:
    follower = Follower()
    url = "http://h/x.m3u8?key=1&_HLS_msn=3"
    assert follower.wanted(url, low(0, 5, 3)) == url
    follower.take(low(0, 5, 3))
    assert follower.wanted(url, low(0, 5, 3)) == "http://h/x.m3u8?key=1&_HLS_msn=5&_HLS_part=3"
    whole = playlist(0, 5, blocking=True)
    assert follower.wanted("http://h/x.m3u8", whole) == "http://h/x.m3u8?_HLS_msn=5"
    assert follower.wanted("http://h/x.m3u8", playlist(0, 5)) == "http://h/x.m3u8"


def test_who_was_cut_off_goes_on_where_he_was() -> None:
    first = Follower()
    first.take(playlist(10, 20))
    halted, short, long = Follower(), Follower(), Follower()
    halted.former = short.former = long.former = first.mark
    assert not halted.take(playlist(10, 20))
    assert numbers(halted.take(playlist(11, 21))) == [20]
    assert numbers(short.take(playlist(11, 21))) == [20]
    assert numbers(long.take(playlist(20, 30))) == [27, 28, 29]


def test_parts_that_were_played_are_not_begun_with_again() -> None:
    first = Follower()
    first.take(low(10, 14, 2))
    assert first.mark is not None
    again = Follower()
    again.former = first.mark
    assert not again.take(low(10, 14, 2))
    assert numbers(again.take(low(10, 14, 4))) == [(14, 2), (14, 3)]


def test_a_playlist_that_has_ended_is_played_from_its_beginning_again() -> None:
    first, again = Follower(), Follower()
    first.take(playlist(0, 3, ended=True))
    again.former = first.mark
    assert numbers(again.take(playlist(0, 3, ended=True))) == [0, 1, 2]
