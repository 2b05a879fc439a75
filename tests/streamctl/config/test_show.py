from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.config.edit import edited
from streamctl.config.load import parse
from streamctl.config.show import (
    as_toml,
    hidden,
    resolved,
    restored,
    secret_names,
    secrets,
    value_at,
)
from streamctl.errors import ConfigError
from streamctl.registry import Registry
from streamctl.sdk.secret import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = (Path(__file__).parents[3] / "streams.toml").read_text("utf-8")
REGISTRY = Registry()
NAMES = secret_names(REGISTRY)
TEXT = """\
[api]
tokens = [{ name = "ops", value = "t0ken", scope = "control" }]
[defaults]
buffer_s = 20
[streams.a]  # publish_key = "old-s3cret"
publish_key = "s3cret"   # the studio's
read_key = "env:READ_KEY"
users = [{ name = "desk", password = "pa55word", read = true }]
inputs = [
  "publish:",
  { url = "rtsp://user:passw0rd@192.0.2.7/1" },
]
[streams.a.srt]
publish_passphrase = "ten letters"
[[streams.a.push]]
name = "one"
url = "rtmps://a.example/live2/abcd-efgh-ijkl-mnop-one"
[[streams.a.push]]
name = "two"
url = "rtmps://a.example/live2/abcd-efgh-ijkl-mnop-two"
"""
OPEN = ["t0ken", "s3cret", "pa55word", "passw0rd", "ten letters", "mnop"]
"""What nobody may see."""


def test_no_secret_is_shown_and_nothing_else_is_lost() -> None:
    shown = hidden(TEXT, NAMES)
    assert [word for word in OPEN if word in shown] == []
    assert "env:READ_KEY" in shown
    assert "the studio's" in shown
    assert shown.count("\n") == TEXT.count("\n")
    assert value_at(tomllib.loads(shown), ("streams", "a", "inputs", 1, "url")) == (
        "rtsp://user:***@192.0.2.7/1"
    )


def test_what_was_shown_can_come_back() -> None:
    assert restored(hidden(TEXT, NAMES), TEXT, NAMES).replace(HIDDEN, "old-s3cret") == TEXT
    edited = hidden(TEXT, NAMES).replace("buffer_s = 20", "buffer_s = 30\nmerge_ms = 9")
    back = tomllib.loads(restored(edited, TEXT, NAMES))
    assert back["streams"] == tomllib.loads(TEXT)["streams"]
    assert back["defaults"] == {"buffer_s": 30, "merge_ms": 9}
    assert restored("\ufeff" + TEXT, TEXT, NAMES) == "\ufeff" + TEXT


def test_comments_come_back_with_their_secrets() -> None:
    text = """\
# publish_key = "old"
[streams.a]
  # publish_key = 'older'
inputs = ["publish:"]  # rtsp://u:pw@h/1
#push = "rtmp://u:one@h/1"
#push = "rtmp://u:two@h/1"
"""
    back = restored(hidden(text, NAMES), text, NAMES)
    kept = text.replace("pw@", "***@").replace("one@", "***@").replace("two@", "***@")
    assert back == kept
    assert restored("# publish_key = '***'\n", "a = 1\n", NAMES) == "# publish_key = '***'\n"
    long = text.replace("[streams.a]", '[streams.a]\npublish_key = """\nlong"""')
    assert "older" not in restored(hidden(long, NAMES), long, NAMES)


def test_secrets_of_queries_are_hidden_in_comments_however_they_are_spelt() -> None:
    text = '# was "https://h/a.m3u8?Signature=w0rd&e=1", then ?TOKEN=w0rd&txSecret=w0rd\n'
    shown = hidden(text, NAMES)
    assert "w0rd" not in shown
    assert "?Signature=***&e=1" in shown
    assert restored(shown, text, NAMES) == text


def test_what_holds_no_secret_is_shown_as_it_was_written() -> None:
    text = """\
[http]
tls_cert = "/etc/ssl/cert.pem"
[[hooks]]
name = "log"
file = "/var/log/events.jsonl"
[streams.a]
title = "/News #1"
inputs = ["publish://", "RTSP://Camera/1?b=%20#x", "/media/a b.mp4", "file:b.mp4"]
push = [{ name = "one", url = "rtmp://a.example/live/#abcd-efgh-ijkl-mnop-one" }]
"""
    shown = hidden(text, NAMES)
    assert "mnop" not in shown
    kept = [line for line in text.splitlines() if "#x" not in line and "mnop" not in line]
    assert [line for line in kept if line not in shown.splitlines()] == []
    assert restored(shown, text, NAMES) == text


def test_secrets_that_look_alike_are_not_mixed_up() -> None:
    shown = hidden(TEXT, NAMES)
    one, two = shown.index("[[streams.a.push]]"), shown.rindex("[[streams.a.push]]")
    swapped = shown[:one] + shown[two:] + shown[one:two]
    with pytest.raises(ConfigError, match="not known here") as caught:
        restored(swapped, TEXT, NAMES)
    assert caught.value.key == "streams.a.push[0].url"


def test_a_secret_is_not_carried_elsewhere() -> None:
    with pytest.raises(ConfigError, match="not known here"):
        restored('[streams.b]\npublish_key = "***"\n', TEXT, NAMES)


def test_the_sample_is_shown_and_restored() -> None:
    found = {one.path[-1] for one in secrets(SAMPLE, NAMES)}
    assert found == {"publish_key"}
    shown = hidden(SAMPLE, NAMES)
    assert "change-me" not in shown
    assert tomllib.loads(restored(shown, SAMPLE, NAMES)) == tomllib.loads(SAMPLE)


def test_what_is_in_force_is_plain_and_whole() -> None:
    shown: dict[str, Any] = resolved(parse(TEXT, "x", REGISTRY, {"READ_KEY": "other-s3cret"}))
    text = as_toml(shown)
    assert [word for word in [*OPEN, "other-s3cret"] if word in text] == []
    assert tomllib.loads(text) == shown
    stream = shown["streams"]["a"]
    assert stream["buffer_s"] == 20
    assert stream["slow_viewer_timeout_s"] == 20
    assert [one["url"] for one in stream["inputs"]] == ["publish:", "rtsp://user:***@192.0.2.7/1"]
    assert stream["inputs"][1]["transport"] == "auto"
    assert [one["name"] for one in stream["push"]] == ["one", "two"]
    assert stream["srt"]["publish_passphrase"] == "***"
    assert shown["api"]["address"] == "127.0.0.1:9997"
    assert "defaults" not in shown


def test_what_is_in_force_can_be_put_in_force() -> None:
    text = """\
[listeners.rtsp]
address = ":0"
[http]
trusted_proxies = ["10.0.0.0/8"]
[defaults]
buffer_s = 20
[templates.tv]
title = "T"
[streams.a]
template = "tv"
outputs = ["hls"]
hls.window = 5
slate = "file:slate.mp4"
on_play = "notify"
inputs = ["publish:", { url = "rtsp://192.0.2.7/1", transport = "tcp" }]
push = [{ name = "one", url = "rtmp://a.example/live/x" }]
"""
    config = parse(text, "x", REGISTRY, {})
    shown = as_toml(resolved(config))
    again = parse(shown.replace('template = "tv"\n', ""), "x", REGISTRY, {})
    plain = {"template": ""}
    streams = {code: one.model_copy(update=plain) for code, one in config.streams.items()}
    assert again.streams == streams
    assert (again.listeners, again.http, again.limits) == (
        config.listeners,
        config.http,
        config.limits,
    )


def test_every_secret_of_every_plugin_is_known_by_name() -> None:
    assert {"publish_key", "password", "value", "publish_passphrase", "headers"} <= NAMES


WORDS = st.lists(
    st.sampled_from([*"abc\"'#\\ =[]{}\n*", "key = ", "'x'", "://u:p@h", "?key=v"]), max_size=6
).map("".join)
SECRETS = st.dictionaries(
    st.sampled_from(["publish_key", "title", "password", "url", "headers"]),
    st.one_of(WORDS, st.dictionaries(st.sampled_from(["a", "key"]), WORDS, max_size=2)),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(SECRETS, st.lists(SECRETS, max_size=2))
def test_what_is_hidden_is_still_toml_and_comes_back(
    table: dict[str, Any], pushes: list[dict[str, Any]]
) -> None:
    text = edited("", "a", {**table, "push": pushes})
    shown = hidden(text, NAMES)
    tomllib.loads(shown)
    if any(HIDDEN in one for one in walk({**table, "push": pushes})):
        return
    # What can't be told apart is refused, and never mistaken.
    with suppress(ConfigError):
        assert tomllib.loads(restored(shown, text, NAMES)) == tomllib.loads(text)


def walk(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from walk(one)
    else:
        yield str(value)
