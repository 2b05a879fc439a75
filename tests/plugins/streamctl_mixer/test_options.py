from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl_mixer.options import MixerInputOptions
from streamctl_mixer.plugin import MixerPlugin

PLUGIN = MixerPlugin()


def check(text: str, **options: str) -> None:
    url = StreamURL.parse(text)
    assert url.kind == "mixer"
    PLUGIN.check_input(url, MixerInputOptions.model_validate(options))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("mixer://cam1,radio_fm", ("cam1", "radio_fm")),
        ("MIXER://Cam,radio", ("Cam", "radio")),
        ("mixer:region/a,region/b", ("region/a", "region/b")),
        ("mixer://a,b?audio_failure=continue", ("a", "b")),
        ("mixer://a,b?audio_failure=down", ("a", "b")),
        ("mixer://a,b?audio_failure=", ("a", "b")),
    ],
)
def test_reads(text: str, codes: tuple[str, str]) -> None:
    check(text)
    assert PLUGIN.upstreams(StreamURL.parse(text)) == codes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mixer://a", "names 1 stream"),
        ("mixer://a,b,c", "names 3 streams"),
        ("mixer://a,", "names no stream"),
        ("mixer://,b", "names no stream"),
        ("mixer://a,a", "with itself"),
        ("mixer://a,b#x", "a fragment"),
        ("mixer://u@a,b", "a user"),
        ("mixer://a,b:80", "a port"),
        ("mixer://a,b?audio=x", "unknown"),
        ("mixer://a,b?audio_failure=skip", "audio_failure"),
        ("mixer://a,b?audio_failure=down&audio_failure=down", "twice"),
        ("mixer://a b,c", "no stream's code"),
    ],
)
def test_refuses(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(text)


def test_the_table_and_the_query_must_agree() -> None:
    check("mixer://a,b?audio_failure=continue", audio_failure="continue")
    with pytest.raises(ConfigError, match="differ"):
        check("mixer://a,b?audio_failure=continue", audio_failure="down")


def test_the_query_is_shown() -> None:
    url = StreamURL.parse("mixer://a,b?audio_failure=continue")
    assert url.redacted == "mixer:a,b?audio_failure=continue"
