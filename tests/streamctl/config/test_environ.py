from __future__ import annotations

from typing import Any

import pytest

from streamctl.config.environ import override

SECTIONS = frozenset({"api", "http", "streams", "listeners"})


def data() -> dict[str, Any]:
    return {
        "streams": {"news": {}, "news/b": {}, "a-b": {}, "a__b": {}, "x": {}, "X": {}},
        "http": 1,
    }


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("API__ADDRESS", ":1", ("api", "address"), ":1"),
        ("API__TOKENS", "[{name = 'a'}]", ("api", "tokens"), [{"name": "a"}]),
        ("LISTENERS__HTTP_D_TS__ADDRESS", ":1", ("listeners", "http-ts", "address"), ":1"),
        ("STREAMS__NEWS__TITLE", "5", ("streams", "news", "title"), "5"),
        ("STREAMS__NEWS_S_B__TITLE", "x", ("streams", "news/b", "title"), "x"),
        ("STREAMS__A_D_B__TITLE", "x", ("streams", "a-b", "title"), "x"),
        ("STREAMS__A__B__HLS__WINDOW", "3", ("streams", "a__b", "hls", "window"), "3"),
    ],
)
def test_writes_the_value_at_its_path(
    name: str, text: str, path: tuple[str, ...], value: object
) -> None:
    target: Any = data()
    origins, faults = override(target, {f"STREAMCTL_{name}": text}, SECTIONS)
    assert (origins, faults) == ({path: f"STREAMCTL_{name}"}, [])
    for part in path:
        target = target[part]
    assert target == value


@pytest.mark.parametrize("name", ["STREAMCTL_SERVER", "STREAMCTL_TOKEN", "API__ADDRESS", "PATH"])
def test_leaves_other_variables_alone(name: str) -> None:
    target = data()
    assert override(target, {name: "x"}, SECTIONS) == ({}, [])
    assert target == data()


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("APPI__ADDRESS", "", "sets nothing that exists", "did you mean `api`?"),
        ("STREAMS__NEWZ__TITLE", "", "not in the file", ""),
        ("STREAMS__X__TITLE", "", "several streams: `x`, `X`", ""),
        ("HTTP__ADDRESS", "", "`http` is not a table", ""),
        ("API__TOKENS", "[", "not a TOML value", ""),
    ],
)
def test_says_what_is_wrong_with_a_variable(name: str, text: str, message: str, hint: str) -> None:
    _, (fault,) = override(data(), {f"STREAMCTL_{name}": text}, SECTIONS)
    assert fault.path == (f"STREAMCTL_{name}",)
    assert message in fault.message
    assert hint in fault.hint
