from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Empty
from streamctl.sdk.url import StreamURL
from streamctl_copy.plugin import CopyPlugin

PLUGIN = CopyPlugin()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("copy://source-stream", "source-stream"),
        ("copy://stream_42", "stream_42"),
        ("COPY://Upstream", "Upstream"),
        ("copy://upstream/", "upstream"),
        ("copy:region/a", "region/a"),
        ("copy://region/a", "region/a"),
    ],
)
def test_reads(text: str, code: str) -> None:
    url = StreamURL.parse(text)
    assert url.kind == "copy"
    PLUGIN.check_input(url, Empty())
    assert PLUGIN.upstreams(url) == (code,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("copy://", "names no stream"),
        ("copy:", "names no stream"),
        ("copy:///raw", "no stream's code"),
        ("copy://a//b", "no stream's code"),
        ("copy://a?key=v", "a query"),
        ("copy://a#frag", "a fragment"),
        ("copy://a:1935", "a port"),
        ("copy://user@a", "a user"),
        ("copy://ä", "no stream's code"),
    ],
)
def test_refuses(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PLUGIN.check_input(StreamURL.parse(text), Empty())
