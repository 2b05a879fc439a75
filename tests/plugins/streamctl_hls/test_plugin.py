from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamctl.sdk.plugin import Cap
from streamctl_hls.options import HlsOptions
from streamctl_hls.plugin import HlsPlugin
from tests.plugins.streamctl_hls.stage import FakeContext, FakeView


def test_the_plugin_serves_over_http_only() -> None:
    plugin = HlsPlugin()
    assert plugin.caps is Cap.HTTP
    output = plugin.http_output(FakeView(), HlsOptions(), FakeContext())
    assert set(output.routes()) == {
        "",
        "/",
        "/hls.js",
        "/index.m3u8",
        "/main_stream.m3u8",
        "/hls/*",
    }


@pytest.mark.parametrize(
    "keys", [{"segment_s": 0}, {"window": 2}, {"start": "never"}, {"variant": "ts"}]
)
def test_options_out_of_range_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HlsOptions.model_validate(keys)
