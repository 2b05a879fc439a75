from __future__ import annotations

import pytest

from streamctl.errors import ConfigError, Unsupported
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl_file.options import FileInputOptions
from streamctl_file.plugin import FilePlugin
from streamctl_file.source import FileSource

from .world import MemoryContext


def test_a_file_is_an_input_only() -> None:
    plugin = FilePlugin()
    assert plugin.caps is Cap.PULL
    with pytest.raises(Unsupported, match="can't be pushed to"):
        plugin.sink(StreamURL.parse("file:a.mp4"), None, MemoryContext([]))


@pytest.mark.parametrize(("url", "loop"), [("file:a.mp4", True), ("file:a.mp4?loop=false", False)])
def test_the_source_loops_unless_told_otherwise(url: str, loop: bool) -> None:
    source = FilePlugin().source(StreamURL.parse(url), FileInputOptions(), MemoryContext([]))
    assert isinstance(source, FileSource)
    assert source.options.loop is loop


def test_a_wrong_option_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError):
        FilePlugin().source(
            StreamURL.parse("file:a.mp4?x=1"), FileInputOptions(), MemoryContext([])
        )
