"""An SRT encoder with an RTMP pull, an RTSP pull and a slate behind it, and two destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failover import pulls
from tests.support.review import BUSY_S, broken

if TYPE_CHECKING:
    from tests.support.media import MediaCache
    from tests.support.review import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx"),
    pytest.mark.timeout(360),
]


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return pulls.rehearse(tmp_path_factory.mktemp("show"), media)


def test_pulls_are_connected_to_when_they_are_needed(review: Review) -> None:
    assert [(act.name, act.after, act.reason) for act in review.acts] == [
        ("SRT encoder killed", 1, "timeout"),
        ("RTMP encoder killed", 2, "error"),
        ("RTSP server killed", 3, "slate"),
        ("SRT encoder back", 0, "recovery"),
    ]


def test_nobody_sees_more_than_clean_cuts(review: Review) -> None:
    assert len(review.pushes) == 2
    assert broken(review, BUSY_S) == []
