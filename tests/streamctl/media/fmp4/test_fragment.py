"""Where samples are, and when."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4 import fragment as module
from streamctl.media.fmp4.fragment import Sample, TrackRun, fragments, parse_fragment
from streamctl.media.fmp4.movie import parse_movie
from tests.streamctl.media.fmp4.files import (
    box,
    fragment,
    full,
    run,
    track_fragment,
    u,
    usual_movie,
)

TRACKS = {track.id: track for track in parse_movie(usual_movie())}


def parsed(data: bytes) -> list[TrackRun]:
    return parse_fragment(data, next(fragments(data)), TRACKS)


def test_samples_follow_one_another() -> None:
    (found,) = parsed(fragment(track_fragment(1, 7, run((512, 10, 0), (500, 20, -3), offset=100))))
    assert (found.track.id, found.entry, found.time, found.wide) == (1, 1, 7, True)
    assert found.samples == [Sample(100, 10, 0, 512, 0), Sample(110, 20, 512, 500, -3)]


def test_what_a_run_leaves_out_is_told_before() -> None:
    sound = run((0, 0, 0), (0, 0, 0), flags=0, offset=100)
    head = u(2) + u(960) + u(6)
    (found,) = parsed(fragment(track_fragment(2, 0, sound, flags=0x2001A, head=head)))
    assert found.entry == 2
    assert found.samples == [Sample(100, 6, 0, 960, 0), Sample(106, 6, 960, 960, 0)]
    (found,) = parsed(fragment(track_fragment(2, 0, sound)))
    assert found.samples == [Sample(100, 0, 0, 1024, 0), Sample(100, 0, 1024, 1024, 0)]


def test_the_first_sample_may_have_flags_of_its_own() -> None:
    flags = full("trun", 0, 0x205, u(1), u(100), u(0x2000000), u(9))
    (found,) = parsed(fragment(track_fragment(1, 0, flags)))
    assert found.samples == [Sample(100, 9, 0, 0, 0)]


def test_runs_and_tracks_go_on_where_the_last_one_ended() -> None:
    data = fragment(
        track_fragment(1, 0, run((1, 10, 0), offset=100), run((1, 5, 0), offset=None), flags=0),
        track_fragment(2, 0, run((1, 7, 0), offset=None), flags=0),
    )
    video, sound = parsed(data)
    assert [each.start for each in video.samples] == [100, 110]
    assert [each.time for each in video.samples] == [0, 1]
    assert sound.samples[0].start == 115


def test_places_count_from_the_fragment_or_from_where_it_says() -> None:
    one = fragment(track_fragment(1, 0, run((1, 10, 0), offset=50)))
    data = box("styp") + one
    assert parsed(data)[0].samples[0].start == 58
    based = fragment(track_fragment(1, 0, run((1, 10, 0), offset=5), flags=1, head=u(1000, 8)))
    assert parsed(based)[0].samples[0].start == 1005


@pytest.mark.parametrize("version", [0, 1])
def test_offsets_may_be_negative_whatever_the_version(version: int) -> None:
    (found,) = parsed(fragment(track_fragment(1, 0, run((1, 1, -512), version=version))))
    assert found.samples[0].offset == -512


def test_a_time_may_have_32_bits_or_be_left_out() -> None:
    (found,) = parsed(fragment(track_fragment(1, None, full("tfdt", 0, 0, u(9)))))
    assert (found.time, found.wide) == (9, False)
    (found,) = parsed(fragment(track_fragment(1, None, run((1, 1, 0)))))
    assert found.time is None


def test_unknown_tracks_and_boxes_are_left_out() -> None:
    data = box("sidx", b"x") + fragment(track_fragment(9, 0, run((1, 1, 0)))) + box("emsg", b"x")
    assert parsed(data) == []
    assert len(list(fragments(data))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (fragment(box("traf")), "without its header"),
        (fragment(box("traf", full("tfhd", 0, 0))), "inside a field"),
        (fragment(track_fragment(1, 0, full("trun", 0, 0x300, u(3)))), "inside a field"),
        (fragment(track_fragment(1, 0, full("trun", 0, 0, u(1 << 31)))), "claims to have"),
        (fragment(track_fragment(1, 0, run((1, 1, 0), offset=-500))), "before its file"),
    ],
)
def test_damage_is_said(data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        parsed(data)


def test_samples_have_a_limit_over_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SAMPLES", 3)
    two = run((1, 1, 0), (1, 1, 0))
    with pytest.raises(RemoteProtocolError, match="claims to have"):
        parsed(fragment(track_fragment(1, 0, two, two)))


def test_samples_have_a_limit_over_all_tracks_of_a_fragment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SAMPLES", 3)
    two = track_fragment(1, 0, run((1, 1, 0), (1, 1, 0)))
    assert len(parsed(fragment(two))) == 1
    with pytest.raises(RemoteProtocolError, match="claims to have 4 samples"):
        parsed(fragment(two, two))


@pytest.mark.parametrize(("size", "count"), [(0, 1000), (100, 10)])
def test_samples_of_one_size_fit_into_their_segment(size: int, count: int) -> None:
    """A run of a few bytes may claim any number of them."""
    claims = full("trun", 0, 0, u(count))
    data = fragment(track_fragment(1, 0, claims, flags=0x20010, head=u(size)))
    with pytest.raises(RemoteProtocolError, match=f"claims to have {count} samples"):
        parsed(data)
    (found,) = parsed(data + bytes(1000))
    assert len(found.samples) == count
