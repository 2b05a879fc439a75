from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.config.faults import ConfigErrors
from streamctl.config.load import parse
from streamctl.registry import Registry

if TYPE_CHECKING:
    from streamctl.errors import ConfigError

REGISTRY = Registry()


def stream(code: str, *inputs: str, slate: str = "") -> str:
    listed = ", ".join(f'"{one}"' for one in inputs)
    return f'[streams."{code}"]\ninputs = [{listed}]\n' + (f'slate = "{slate}"\n' if slate else "")


def faults(text: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "x.toml", REGISTRY, {})
    return list(caught.value.errors)


def test_streams_may_be_made_of_others_that_may_be_missing() -> None:
    text = (
        stream("a", "publish:") + stream("b/c", "copy:a", "copy:missing") + stream("d", "copy:b/c")
    )
    config = parse(text + stream("e", "mixer:a,b/c", slate="file:x.mp4"), "x.toml", REGISTRY, {})
    assert len(config.streams) == 4


@pytest.mark.parametrize("url", ["copy:a", "copy://a/", "mixer:a,x", "mixer:x,a"])
def test_no_stream_is_made_of_itself(url: str) -> None:
    [fault] = faults(stream("a", url))
    assert "back into itself" in fault.message
    assert fault.line == 2


def test_a_loop_is_printed() -> None:
    text = stream("a", "publish:", "copy:b") + stream("b", "mixer:c/d,x") + stream("c/d", "copy:a")
    [fault] = faults(text)
    assert "`a` → `c/d` → `b` → `a`" in fault.message


def test_a_template_can_make_a_loop_too() -> None:
    text = '[templates.t]\ninputs = ["copy:a"]\n[streams.a]\ntemplate = "t"\n'
    assert any("back into itself" in fault.message for fault in faults(text))


def test_a_mixer_is_the_only_input() -> None:
    [fault] = faults(stream("a", "mixer:b,c", "publish:"))
    assert fault.message == "a `mixer` must be the only input"
    assert fault.line == 2
