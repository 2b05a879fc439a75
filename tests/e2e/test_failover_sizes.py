"""A spare encoder with other sizes and another sound: everybody follows, or is told why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failover import tracks
from tests.support.review import BUSY_S, broken

if TYPE_CHECKING:
    from tests.support.media import MediaCache
    from tests.support.review import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx", "gst-launch-1.0"),
    pytest.mark.timeout(360),
]


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return tracks.sizes(tmp_path_factory.mktemp("sizes"), media)


def test_another_size_and_another_sound_are_followed(sizes: Review) -> None:
    assert set(sizes.seen) == set(tracks.FLEXIBLE)
    assert broken(sizes, BUSY_S) == []


def test_who_was_promised_something_else_is_told(sizes: Review) -> None:
    assert len(sizes.farewells["rtsp"]) == len(tracks.BOUND)
    assert all("other tracks" in reason for reason in sizes.farewells["rtsp"])
