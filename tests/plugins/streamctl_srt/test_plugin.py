"""What the plugin says of URLs before it uses them."""

from __future__ import annotations

import pytest

from streamctl.config.load import parse
from streamctl.errors import ConfigError, ConfigErrors
from streamctl.registry import Registry
from streamctl.sdk.url import StreamURL
from streamctl_srt.options import InputOptions, PushOptions
from streamctl_srt.plugin import SrtPlugin


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("latencyy=3", "`latencyy` in .* is unknown"),
        ("latency=soon", "write a whole number"),
        ("passphrase=short", "10 to 79 characters"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_the_configuration(
    query: str, reason: str
) -> None:
    url = StreamURL.parse(f"srt://h:1?{query}")
    with pytest.raises(ConfigError, match=reason):
        SrtPlugin().check_input(url, InputOptions())
    with pytest.raises(ConfigError, match=reason) as caught:
        SrtPlugin().check_push(url.as_destination(), PushOptions())
    assert "short" not in caught.value.message


def test_an_input_has_a_mode_that_there_is() -> None:
    SrtPlugin().check_input(StreamURL.parse("srt://:1?mode=listener"), InputOptions())
    with pytest.raises(ConfigError, match="mode=rendezvous"):
        SrtPlugin().check_input(StreamURL.parse("srt://h:1?mode=rendezvous"), InputOptions())


def test_a_destination_has_no_mode_but_caller() -> None:
    url = StreamURL.parse("srt://h:1?mode=listener").as_destination()
    with pytest.raises(ConfigError, match="mode=listener"):
        SrtPlugin().check_push(url, PushOptions())


def test_libsrt_is_found_or_the_remedy_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCTL_LIBSRT", "/nowhere/libsrt.so")
    [need] = SrtPlugin().requirements()
    assert (need.name, need.version) == ("libsrt", "")
    assert "not installed" in need.error
    assert "apt install" in need.hint


def test_the_line_of_a_wrong_url_is_named() -> None:
    text = """
[streams.news]
inputs = ["srt://h:1?latencyy=3"]
[[streams.news.push]]
name = "a"
url = "srt://h:1?latencyy=3"
"""
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "x.toml", Registry(), {})
    first, second = caught.value.errors
    assert (first.line, first.key) == (3, "streams.news.inputs[0]")
    assert (second.line, second.key) == (6, "streams.news.push[0].url")
    assert "latencyy" in first.message
    assert first.hint == "did you mean `latency`?"
