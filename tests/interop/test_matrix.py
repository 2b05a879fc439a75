"""The deal is fair: every publisher and every player meets every medium, and each other."""

from __future__ import annotations

import pytest

from tests.interop.matrix import CARRIED, MEDIA, PLAYERS, deal, plays
from tests.support.publishers import PUBLISHERS

DEALT = deal(MEDIA, PUBLISHERS, PLAYERS)
CELLS = [(one.publisher.name, one.medium.name, player) for one in DEALT for player in one.players]


def test_every_publisher_sends_every_medium_that_it_can() -> None:
    sent = {(one.publisher.name, one.medium.name) for one in DEALT}
    assert sent == {
        (publisher.name, medium.name)
        for publisher in PUBLISHERS
        for medium in MEDIA
        if publisher.sends(medium.codecs)
    }


def test_every_player_meets_every_medium_once() -> None:
    met = [(player, medium) for _, medium, player in CELLS]
    assert len(met) == len(set(met))
    assert set(met) == {
        (player, medium.name) for player in PLAYERS for medium in MEDIA if plays(player, medium)
    }


def test_every_player_meets_every_publisher() -> None:
    assert {(publisher, player) for publisher, _, player in CELLS} == {
        (publisher.name, player) for publisher in PUBLISHERS for player in PLAYERS
    }


def test_everybody_watches_everything_in_full() -> None:
    for one in deal(MEDIA, PUBLISHERS, PLAYERS, full=True):
        assert set(one.players) == {player for player in PLAYERS if plays(player, one.medium)}


@pytest.mark.parametrize("output", sorted(CARRIED))
def test_pictures_that_an_output_cannot_carry_are_refused(output: str) -> None:
    refused = {medium.name for medium in MEDIA if not medium.carried(output)}
    assert refused == ({"AV1, Opus", "VP9, Opus"} if output in ("hls", "http-ts") else set())
