"""The deal is pairwise: media, kinds of publishers, publishers, outputs and players all meet."""

from __future__ import annotations

import pytest

from tests.interop.matrix import (
    CARRIED,
    KINDS,
    MEDIA,
    PLAYERS,
    PROGRAMS,
    PUBLISHERS,
    deal,
    plays,
    program,
    sends,
)
from tests.support.clients import ENHANCED
from tests.support.rtsp_publishers import RTP

DEALT = deal(MEDIA, KINDS, PLAYERS)
CELLS = [(one.publisher.name, one.medium.name, player) for one in DEALT for player in one.players]
SENT = [(one.publisher.name, one.medium.name) for one in DEALT]
ABLE = [(kind, medium) for medium in MEDIA for kind in KINDS if any(sends(p, medium) for p in kind)]


def test_each_medium_is_sent_by_one_of_each_kind_that_can() -> None:
    assert len(SENT) == len(set(SENT))
    for kind, medium in ABLE:
        senders = [one for one in kind if (one.name, medium.name) in SENT]
        assert senders
        assert all(sends(one, medium) for one in senders)


def test_every_program_sends_every_medium_that_it_can() -> None:
    able = {(program(one), each.name) for one in PUBLISHERS for each in MEDIA if sends(one, each)}
    named = {(name, medium) for name, medium in able if name}
    by_name = {one.name: program(one) for one in PUBLISHERS}
    assert {(by_name[name], medium) for name, medium, _ in CELLS} >= named
    assert {(name, each.name) for name in PROGRAMS for each in MEDIA} - named == {
        ("ffmpeg", "AV1, Opus"),
        ("ffmpeg", "H.264, FLAC"),
        ("GStreamer", "AV1, Opus"),
        ("GStreamer", "H.264, FLAC"),
        ("srt-live-transmit", "AV1, Opus"),
        ("srt-live-transmit", "VP9, Opus"),
        ("srt-live-transmit", "H.264, FLAC"),
    }


def test_every_medium_meets_every_output() -> None:
    met = {(medium, player.output) for _, medium, player in CELLS}
    # No player here reads E-AC-3 out of RTP.
    nobody = {("H.264, E-AC-3", "rtsp"), ("H.264, E-AC-3", "rtsp udp")}
    assert met == {(medium.name, output) for medium in MEDIA for output in CARRIED} - nobody


def test_publishers_of_a_kind_take_turns() -> None:
    for kind in KINDS:
        counts = [sum(name == one.name for name, _ in SENT) for one in kind]
        assert min(counts) >= 1, dict(zip((one.name for one in kind), counts, strict=True))


def test_every_player_meets_every_medium_once() -> None:
    met = [(player, medium) for _, medium, player in CELLS]
    assert len(met) == len(set(met))
    assert set(met) == {
        (player, medium.name) for player in PLAYERS for medium in MEDIA if plays(player, medium)
    }


def test_every_publisher_meets_every_output() -> None:
    met = {(publisher, player.output) for publisher, _, player in CELLS}
    assert met == {(publisher.name, output) for publisher in PUBLISHERS for output in CARRIED}


def test_every_player_meets_publishers_of_all_kinds() -> None:
    kinds = {one.name: number for number, kind in enumerate(KINDS) for one in kind}
    for player in PLAYERS:
        met = {publisher for publisher, _, other in CELLS if other is player}
        assert {kinds[name] for name in met} == set(range(len(KINDS))), player
        assert len(met) >= 4, player


def test_everybody_publishes_and_watches_everything_in_full() -> None:
    dealt = deal(MEDIA, KINDS, PLAYERS, full=True)
    assert {(one.publisher.name, one.medium.name) for one in dealt} == {
        (one.name, medium.name) for one in PUBLISHERS for medium in MEDIA if sends(one, medium)
    }
    for one in dealt:
        assert set(one.players) == {player for player in PLAYERS if plays(player, one.medium)}


def test_a_capture_of_broadcast_is_sent_by_those_who_send_transport_streams() -> None:
    captures = [medium for medium in MEDIA if medium.broadcast is not None]
    assert captures
    for medium in captures:
        senders = [one for one in PUBLISHERS if sends(one, medium)]
        assert {one.container for one in senders} == {"ts"}


@pytest.mark.parametrize("output", sorted(CARRIED))
def test_pictures_that_an_output_cannot_carry_are_refused(output: str) -> None:
    refused = {medium.name for medium in MEDIA if not medium.carried(output)}
    expected = set() if CARRIED[output] in (ENHANCED, RTP) else {"AV1, Opus", "VP9, Opus"}
    assert refused == expected
