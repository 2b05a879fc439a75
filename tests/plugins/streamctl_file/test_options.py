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


def test_a_program_and_pids_are_chosen_in_the_query() -> None:
    url = StreamURL.parse("file:a.ts?program=2&pids=256,0x101")
    with pytest.raises(ConfigError, match="pids"):
        with_query(FileInputOptions(), url)
    url = StreamURL.parse("file:a.ts?program=2&pids=256,257")
    options = with_query(FileInputOptions(pids=(1,)), url)
    assert (options.program, options.pids) == (2, (256, 257))


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("file:a.mp4?speed=2", "speed"),
        ("file:a.mp4?loop=perhaps", "loop"),
        ("file:a.ts?program=-1", "program"),
        ("file:a.ts?pids=9000", "pids"),
    ],
)
def test_a_wrong_query_is_named(url: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"`{key}`") as caught:
        with_query(FileInputOptions(), StreamURL.parse(url))
    assert "loop=false" in caught.value.hint
