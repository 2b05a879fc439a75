"""Destinations in the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl.config.load import parse, read_document
from streamctl.errors import ConfigErrors
from tests.streamctl.config.plugins import PushOptions, registry

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.config.model import Config
    from streamctl.errors import ConfigError

HEAD = '[streams.news]\ninputs = ["publish:"]\n'
KEY = "k3y-abcd-efgh-ijkl"


def read(text: str, **environ: str) -> Config:
    return parse(HEAD + text, "x.toml", registry(), environ)


def faults(text: str, **environ: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        read(text, **environ)
    return list(caught.value.errors)


def push(*lines: str, name: str = "a") -> str:
    return "\n".join(["[[streams.news.push]]", f'name = "{name}"', *lines, ""])


def test_reads_destinations_with_their_defaults() -> None:
    config = read(
        push(f'url = "rtmp://a.example/live2/{KEY}"')
        + push('url = "rtmp://b.example/app/x"', "retry_s = 2", "retries = 3", name="b")
        + "hold = false\ntls = true\n"
    )
    first, second = config.streams["news"].push
    assert (first.name, first.retry_s, first.retries, first.hold) == ("a", 5, 0, True)
    assert first.url.raw == f"rtmp://a.example/live2/{KEY}"
    assert KEY not in repr(config)
    assert (second.retry_s, second.retries, second.hold) == (2, 3, False)
    assert second.options == PushOptions(tls=True)


def test_a_plugin_refuses_urls_of_destinations() -> None:
    [error] = faults(push('url = "rtmp://a.example:1/live/x"'))
    assert (error.line, error.key) == (5, "streams.news.push[0].url")
    assert error.message == "no port to push to"
    read(push('url = "rtmp://a.example:1/live/x"', "tls = true"))


def test_urls_may_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"rtmp://f.example/live/{KEY}\n")
    config = read(
        push('url = "env:DESTINATION"') + push(f'url = "file:{file}"', name="b"),
        DESTINATION=f"rtmp://e.example/live/{KEY}",
    )
    assert [one.url.host for one in config.streams["news"].push] == ["e.example", "f.example"]


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "hint"),
    [
        (push(), 3, "url", "is missing", "rtmp://HOST/APP/KEY"),
        (push("url = 5"), 5, "url", "write a URL", "rtmp://HOST/APP/KEY"),
        (push(f'url = "rtmp//a/{KEY}"'), 5, "url", "is no URL", "rtmp://HOST/APP/KEY"),
        (push(f'url = "rtmp://a:99999/{KEY}"'), 5, "url", "is no URL", ""),
        (push('url = "env:NOWHERE"'), 5, "url", "variable `NOWHERE` is not set", ""),
        (push('url = "file:/nowhere"'), 5, "url", "`/nowhere` can't be read", ""),
        (push(f'url = "gopher://a/{KEY}"'), 5, "url", "`gopher` can't be pushed to", "`rtmp`"),
        (push(f'url = "hls+http://a/{KEY}"'), 5, "url", "`http` can't be pushed to", "`rtmp`"),
        (push(f'url = "rtmp:///live/{KEY}"'), 5, "url", "names no host", "rtmp://HOST/APP/KEY"),
        (push('url = "rtmp://a/x/y"', "retry = 1"), 6, "retry", "unknown key", "`retry_s`"),
        (push('url = "rtmp://a/x/y"', "tsl = 1"), 6, "tsl", "unknown key", "did you mean `tls`"),
        (push('url = "rtmp://a/x/y"', "retries = -1"), 6, "retries", "at least 0", ""),
        (push('url = "rtmp://a/x/y"', name=""), 4, "name", "at least 1 character", ""),
        ('[[streams.news.push]]\nurl = "rtmp://a/x/y"\n', 3, "name", "is missing", ""),
        ("push = 1\n", 3, "push", "write a list of tables", "[[streams.CODE.push]]"),
        ("push = [1]\n", 3, "push[0]", "write a table with `name` and `url`", ""),
        (
            push('url = "rtmp://a/x/y"') + push('url = "rtmp://a/x/z"'),
            7,
            "push[1].name",
            "another push is called `a`",
            "rename",
        ),
        (
            push('url = "rtmp://a/x/y"') + push('url = "rtmp://a/x/y"', name="b"),
            8,
            "push[1].url",
            "`a` pushes to this URL already",
            "remove",
        ),
    ],
)
def test_faults_have_a_line_a_key_and_a_remedy(
    text: str, line: int, key: str, message: str, hint: str
) -> None:
    [fault] = faults(text)
    assert (fault.line, message in fault.message, hint in fault.hint) == (line, True, True), fault
    assert fault.key.endswith(key)
    assert KEY not in f"{fault} {fault.hint}"


def document(url: str) -> dict[str, Any]:
    return {"inputs": ["publish:"], "push": [{"name": "a", "url": url}]}


def test_a_document_of_the_api_is_judged_the_same_way() -> None:
    config = read("")
    stream = read_document("more", document("rtmp://a/live/x"), config, registry(), {})
    assert stream.push[0].url.host == "a"
    with pytest.raises(ConfigErrors, match="is no URL"):
        read_document("more", document("nowhere"), config, registry(), {})
