"""Streams that would be fed with themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from streamctl.config.load import parse, read_document
from streamctl.config.loops import way_back
from streamctl.errors import ConfigErrors
from streamctl.registry import Registry
from tests.streamctl.config.plugins import registry

if TYPE_CHECKING:
    from streamctl.errors import ConfigError

INSTALLED = Registry()
LISTENER = '[listeners.rtmp]\naddress = ":1935"\n'


def stream(code: str, url: str = "", source: str = "publish:") -> str:
    push = f'[[streams."{code}".push]]\nname = "p"\nurl = "{url}"\n' if url else ""
    return f'[streams."{code}"]\ninputs = ["{source}"]\n{push}'


def loops(*streams: str) -> list[str]:
    try:
        parse(LISTENER + "".join(streams), "x.toml", registry(), {})
    except ConfigErrors as caught:
        return [f"{error.line} {error.key}: {error.message}" for error in caught.errors]
    return []


@pytest.mark.parametrize(
    "url",
    [
        "rtmp://127.0.0.1/live/news",
        "rtmp://localhost:1935/news",
        "rtmp://[::1]/live/news?key=x",
        "rtmp://0.0.0.0/live/news/",
    ],
)
def test_a_push_into_its_own_stream_is_named(url: str) -> None:
    [found] = loops(stream("news", url))
    assert found == "7 streams.news.push[0].url: leads `news` back into itself"


def test_an_input_from_its_own_stream_is_named() -> None:
    [found] = loops(stream("news", source="rtmp://127.0.0.1/live/news"))
    assert found == "4 streams.news.inputs[0]: leads `news` back into itself"


def test_a_loop_over_several_streams_is_named_once() -> None:
    found = loops(
        stream("a", "rtmp://127.0.0.1/live/b"),
        stream("b"),
        stream("c", "rtmp://127.0.0.1/live/a", source="rtmp://localhost/b"),
    )
    assert found == ["7 streams.a.push[0].url: makes a loop of streams: `a` → `b` → `c` → `a`"]


@pytest.mark.parametrize(
    "url",
    [
        "rtmp://elsewhere.example/live/news",
        "rtmp://127.0.0.1:1936/live/news",
        "rtmp://127.0.0.1/live/other",
        "rtmp://127.0.0.1/live/unknown",
    ],
)
def test_what_leads_elsewhere_is_none(url: str) -> None:
    assert loops(stream("news", url), stream("other")) == []


def test_a_listener_on_another_address_leaves_the_port_to_others() -> None:
    text = LISTENER.replace(":1935", "192.0.2.1:1935") + stream("a", "rtmp://127.0.0.1/live/a")
    assert parse(text, "x.toml", registry(), {}).streams["a"].push


def test_a_document_of_the_api_may_not_close_a_loop() -> None:
    text = LISTENER + stream("a", "rtmp://127.0.0.1/live/b") + stream("b")
    config = parse(text, "x.toml", registry(), {})
    document = {
        "inputs": ["publish:"],
        "push": [{"name": "back", "url": "rtmp://127.0.0.1/live/a"}],
    }
    with pytest.raises(ConfigErrors, match="makes a loop"):
        read_document("b", document, config, registry(), {})


def made(code: str, *inputs: str, slate: str = "") -> str:
    listed = ", ".join(f'"{one}"' for one in inputs)
    return f'[streams."{code}"]\ninputs = [{listed}]\n' + (f'slate = "{slate}"\n' if slate else "")


def faults(text: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "x.toml", INSTALLED, {})
    return list(caught.value.errors)


def test_streams_may_be_made_of_others_that_may_be_missing() -> None:
    text = made("a", "publish:") + made("b/c", "copy:a", "copy:missing") + made("d", "copy:b/c")
    text += made("e", "mixer:a,b/c", slate="file:x.mp4")
    assert len(parse(text, "x.toml", INSTALLED, {}).streams) == 4


@pytest.mark.parametrize("url", ["copy:a", "copy://a/", "mixer:a,x", "mixer:x,a"])
def test_no_stream_is_made_of_itself(url: str) -> None:
    [fault] = faults(made("a", url))
    assert "back into itself" in fault.message
    assert fault.line == 2


def test_a_loop_of_copies_and_mixes_is_printed() -> None:
    text = made("a", "publish:", "copy:b") + made("b", "mixer:c/d,x") + made("c/d", "copy:a")
    [fault] = faults(text)
    assert "`a` → `c/d` → `b` → `a`" in fault.message


def test_a_template_can_make_a_loop_too() -> None:
    text = '[templates.t]\ninputs = ["copy:a"]\n[streams.a]\ntemplate = "t"\n'
    assert any("back into itself" in fault.message for fault in faults(text))


def test_a_mixer_is_the_only_input() -> None:
    [fault] = faults(made("a", "mixer:b,c", "publish:"))
    assert fault.message == "a `mixer` must be the only input"
    assert fault.line == 2


def test_long_ways_are_walked_in_no_time() -> None:
    feeds = {str(code): {str(code + 1): ()} for code in range(4000)} | {"4000": {"3": ()}}
    began = time.thread_time()
    for _ in range(50):
        assert way_back("0", feeds) == []
    assert way_back("3", feeds) == [*map(str, range(3, 4001)), "3"]
    assert time.thread_time() - began < 1.5
