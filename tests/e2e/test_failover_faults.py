"""Faults that are not silence: bytes that are no media, pictures that stop while sound goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failover import faults
from tests.support.review import BUSY_S, broken

if TYPE_CHECKING:
    from tests.support.media import MediaCache
    from tests.support.review import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx"),
    pytest.mark.timeout(360),
]

SILENCE_S = 2.0
SLACK_S = 1.0


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return faults.rehearse(tmp_path_factory.mktemp("show"), media)


def test_garbage_is_silence(review: Review) -> None:
    act = review.acts[0]
    assert (act.after, act.reason) == (2, "timeout")
    assert act.noticed_s <= SILENCE_S + SLACK_S


def test_pictures_that_stop_are_noticed(review: Review) -> None:
    act = review.acts[2]
    assert (act.after, act.reason) == (2, "error")
    assert "no frames for 2 s" in act.detail


def test_nobody_sees_more_than_clean_cuts(review: Review) -> None:
    assert broken(review, BUSY_S) == []
