"""The deal is fair: every player meets every medium, and publishers of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.matrix import CARRIED, MEDIA, PLAYERS, PUBLISHERS, SILENT, TS_TURNS, deal, plays
from tests.support.clients import ENHANCED

if TYPE_CHECKING:
    from tests.support.publishers import Publisher

DEALT = deal(MEDIA, PUBLISHERS, PLAYERS)
CELLS = [(one.publisher.name, one.medium.name, player) for one in DEALT for player in one.players]


SENT = {(one.publisher.name, one.medium.name) for one in DEALT}


@pytest.mark.parametrize("publisher", [one for one in PUBLISHERS if one.protocol == "rtmp"])
def test_every_publisher_of_rtmp_sends_every_medium_that_it_can(publisher: Publisher) -> None:
    for medium in MEDIA:
        sends = publisher.sends(medium.codecs)
        assert ((publisher.name, medium.name) in SENT) is sends


def test_publishers_of_mpeg_ts_take_turns() -> None:
    others = [one for one in PUBLISHERS if one.protocol != "rtmp"]
    counts = [sum(name == one.name for name, _ in SENT) for one in others]
    assert min(counts) >= 2
    assert max(counts) <= 6
    for medium in MEDIA:
        able = [one for one in others if one.sends(medium.codecs)]
        sending = [one for one in able if (one.name, medium.name) in SENT]
        assert len(sending) == min(TS_TURNS, len(able))


def test_every_player_meets_every_medium_once() -> None:
    met = [(player, medium) for _, medium, player in CELLS]
    assert len(met) == len(set(met))
    assert set(met) == {
        (player, medium.name) for player in PLAYERS for medium in MEDIA if plays(player, medium)
    }


def test_every_player_meets_publishers_of_all_kinds() -> None:
    kinds = {one.name: one.protocol == "rtmp" for one in PUBLISHERS}
    for player in PLAYERS:
        met = [publisher for publisher, _, other in CELLS if other is player]
        assert {kinds[name] for name in met} == {True, False}, player
        assert len(set(met)) >= 6, player


def test_everybody_who_publishes_is_watched() -> None:
    assert {publisher for publisher, _, _ in CELLS} == {one.name for one in PUBLISHERS}


def test_everybody_watches_everything_in_full() -> None:
    for one in deal(MEDIA, PUBLISHERS, PLAYERS, full=True):
        assert set(one.players) == {player for player in PLAYERS if plays(player, one.medium)}


@pytest.mark.parametrize("output", sorted(CARRIED))
def test_pictures_that_an_output_cannot_carry_are_refused(output: str) -> None:
    refused = {medium.name for medium in MEDIA if not medium.carried(output)}
    expected = set() if CARRIED[output] == ENHANCED else {"AV1, Opus", "VP9, Opus"}
    assert refused == expected
    silent = [one for one in CELLS if one[2].output in SILENT and one[1] in expected]
    assert silent == []
