from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL
from streamctl_hls.options import HlsOptions
from streamctl_hls.plugin import HlsPlugin
from streamctl_hls.pull_options import HlsInputOptions
from tests.plugins.streamctl_hls.stage import FakeContext, FakeView


def test_the_plugin_serves_over_http_and_pulls() -> None:
    plugin = HlsPlugin()
    assert plugin.caps == Cap.HTTP | Cap.PULL
    output = plugin.http_output(FakeView(), HlsOptions(), FakeContext())
    assert set(output.routes()) == {
        "",
        "/",
        "/hls.js",
        "/index.m3u8",
        "/main_stream.m3u8",
        "/dvr.m3u8",
        "/dvr_stream.m3u8",
        "/hls/*",
    }


@pytest.mark.parametrize(
    "keys",
    [
        {"segment_s": 0},
        {"window": 2},
        {"start": "never"},
        {"storage": "tape"},
        {"history_s": -1},
        {"memory_bytes": 1},
        {"variant": "dash"},
    ],
)
def test_options_out_of_range_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HlsOptions.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"variant": "ll"}, "segments are MPEG-TS: write `ts`"),
        ({"variant": "fmp4"}, "not available in this version"),
        ({"part_ms": 200}, "`part_ms` is not available in this version"),
        ({"storage": "disk"}, "needs a `directory`"),
    ],
)
def test_what_can_not_be_done_is_said(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        HlsOptions.model_validate(keys)


def test_the_keys_that_change_under_viewers_are_keys() -> None:
    assert HlsOptions.live < set(HlsOptions.model_fields)


def test_headers_that_can_not_be_sent_are_refused_with_the_configuration() -> None:
    options = HlsInputOptions.model_validate({"headers": {"Host": "g"}})
    with pytest.raises(ConfigError, match="the header `Host` can't be sent"):
        HlsPlugin().check_input(StreamURL.parse("http://h/x.m3u8"), options)
