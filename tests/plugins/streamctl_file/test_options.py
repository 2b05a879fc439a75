from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_file.options import FileInputOptions, with_query


@pytest.mark.parametrize(
    ("url", "configured", "loop"),
    [
        ("file:a.mp4", True, True),
        ("file:a.mp4", False, False),
        ("file:a.mp4?loop=false", True, False),
        ("file:a.mp4?loop=true", False, True),
        ("/media/a.mp4", True, True),
    ],
)
def test_the_query_overrides_the_options(url: str, configured: bool, loop: bool) -> None:
    options = with_query(FileInputOptions(loop=configured), StreamURL.parse(url))
    assert options.loop is loop


@pytest.mark.parametrize(
    ("url", "key"), [("file:a.mp4?speed=2", "speed"), ("file:a.mp4?loop=perhaps", "loop")]
)
def test_a_wrong_query_is_named(url: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"`{key}`") as caught:
        with_query(FileInputOptions(), StreamURL.parse(url))
    assert "loop=false" in caught.value.hint
