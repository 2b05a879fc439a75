from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_file.options import FileInputOptions
from streamctl_file.plugin import FilePlugin
from streamctl_file.source import FileSource

from .world import MemoryContext


def read(url: str, options: FileInputOptions | None = None) -> FileInputOptions:
    plugin, parsed, keys = FilePlugin(), StreamURL.parse(url), options or FileInputOptions()
    plugin.check_input(parsed, keys)
    source = plugin.source(parsed, keys, MemoryContext([]))
    assert isinstance(source, FileSource)
    return source.options


@pytest.mark.parametrize(
    ("url", "configured", "expected"),
    [
        ("file:a.mp4", {}, {"loop": True}),
        ("file:a.mp4", {"loop": False}, {"loop": False}),
        ("file:a.mp4?loop=false", {}, {"loop": False}),
        ("file:a.mp4?loop=0", {"loop": False}, {"loop": False}),
        ("/media/a.mp4", {}, {"loop": True}),
        ("file:a.ts?program=2&pids=256,257", {}, {"program": 2, "pids": (256, 257)}),
        ("file:a.ts?program=2", {"pids": (7,)}, {"program": 2, "pids": (7,)}),
    ],
)
def test_the_query_and_the_table_say_how_a_file_is_played(
    url: str, configured: dict[str, object], expected: dict[str, object]
) -> None:
    found = read(url, FileInputOptions.model_validate(configured))
    assert found == FileInputOptions.model_validate(expected)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("file:a.mp4?speed=2", "speed"),
        ("file:a.mp4?loop=perhaps", "loop"),
        ("file:a.ts?program=-1", "program"),
        ("file:a.ts?pids=9000", "pids"),
        ("file:a.ts?pids=256,0x101", "pids"),
    ],
)
def test_a_wrong_query_is_refused_with_the_configuration(url: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"`{key}`"):
        FilePlugin().check_input(StreamURL.parse(url), FileInputOptions())


def test_a_table_that_says_something_else_is_refused() -> None:
    url = StreamURL.parse("file:a.mp4?loop=false")
    with pytest.raises(ConfigError, match="the key `loop` differ"):
        FilePlugin().check_input(url, FileInputOptions(loop=True))
