"""Two encoders and a slate fail in turn; players of every kind and pushes stay all the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failover import encoders
from tests.support.review import BUSY_S, broken

if TYPE_CHECKING:
    from tests.support.media import MediaCache
    from tests.support.review import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx", "gst-launch-1.0"),
    pytest.mark.timeout(360),
]

SILENCE_S = 2.0
SLATE_S = 0.2
NOTICE_S = 1.0
"""A tick, and the slowness of a busy machine."""


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return encoders.rehearse(tmp_path_factory.mktemp("show"), media)


def test_each_fault_is_answered_by_the_right_input_and_reason(review: Review) -> None:
    assert [(act.name, act.reason) for act in review.acts] == [
        ("switched by hand", "manual"),
        ("killed", "error"),
        ("frozen", "slate"),
        ("back", "recovery"),
    ]


def test_faults_are_noticed_in_time(review: Review) -> None:
    wish, killed, frozen, _ = review.acts
    assert wish.noticed_s <= 1 + NOTICE_S
    assert killed.noticed_s <= NOTICE_S
    assert frozen.noticed_s <= SILENCE_S + NOTICE_S
    assert frozen.on_air_s <= SLATE_S + NOTICE_S


def test_nobody_sees_more_than_clean_cuts(review: Review) -> None:
    assert set(review.seen) == set(encoders.EVERYBODY)
    assert broken(review, BUSY_S) == []
