from __future__ import annotations

import pytest

from streamctl.cli.intake import name_of
from streamctl.sdk.url import StreamURL


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/media/My Film (2024).mp4", "My-Film-2024"),
        ("rtmp://host/live/news", "news"),
        ("rtmp://host/", "live"),
        ("http://host/x/mpegts", "live"),
        ("file:+++", "live"),
    ],
)
def test_a_source_gives_its_name(source: str, name: str) -> None:
    assert name_of(StreamURL.parse(source)) == name
