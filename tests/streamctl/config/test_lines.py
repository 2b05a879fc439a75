from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.config.lines import Path, line_of, scan

TEXT = """\
# a comment with = and [brackets]
title = "a # is no comment"   # but this is

[server]
roots = ["x", # one
  'y',
  ["z"],
]
 [streams . "a/b"]
inputs = [{url = "publish:", deep = {x = 1}}, "[not] a table"]
hls.segment_s = 2
hls . 'window' = 6
text = \"\"\"
[streams.fake]
key = 1 \\\"\"\" \"\"\"
raw = '''
''' # end
when = 1979-05-27 07:32:00

[[streams."a/b".push]]
url = "1"
[[streams."a/b".push]]
url = "2"
[streams."a/b".push.extra]
far = -1.5e3
[deep.er.est]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "roots"), 5),
        (("server", "roots", 0), 5),
        (("server", "roots", 1), 6),
        (("server", "roots", 2, 0), 7),
        (("streams",), 9),
        (("streams", "a/b"), 9),
        (("streams", "a/b", "inputs", 0, "url"), 10),
        (("streams", "a/b", "inputs", 0, "deep", "x"), 10),
        (("streams", "a/b", "inputs", 1), 10),
        (("streams", "a/b", "hls", "segment_s"), 11),
        (("streams", "a/b", "hls", "window"), 12),
        (("streams", "a/b", "text"), 13),
        (("streams", "a/b", "raw"), 16),
        (("streams", "a/b", "when"), 18),
        (("streams", "a/b", "push"), 20),
        (("streams", "a/b", "push", 0, "url"), 21),
        (("streams", "a/b", "push", 1), 22),
        (("streams", "a/b", "push", 1, "url"), 23),
        (("streams", "a/b", "push", 1, "extra", "far"), 25),
        (("deep",), 26),
        (("deep", "er", "est"), 26),
    ],
)
def test_finds_the_line_of(path: Path, line: int) -> None:
    assert scan(TEXT)[path] == line


def paths(value: Any, path: Path = ()) -> set[Path]:
    found = {path} if path else set()
    if isinstance(value, dict):
        return found.union(*(paths(below, (*path, key)) for key, below in value.items()))
    if isinstance(value, list):
        return found.union(*(paths(below, (*path, n)) for n, below in enumerate(value)))
    return found


def test_knows_every_key_and_no_other() -> None:
    assert set(scan(TEXT)) == paths(tomllib.loads(TEXT))


def test_an_unknown_path_has_the_line_of_its_nearest_ancestor() -> None:
    lines = scan("[a]\nb = 1\n")
    assert line_of(lines, ("a", "c", "d")) == 1
    assert line_of(lines, ("x",)) == 0


@pytest.mark.parametrize("text", ["", "\n", "# only", "a=1", "a=[]\nb={}", "\r\na = 1\r\n[b]\r\n"])
def test_reads_texts_that_end_anywhere(text: str) -> None:
    assert set(scan(text)) == paths(tomllib.loads(text))


def test_reads_quotes_that_end_a_multi_line_string() -> None:
    text = "a = \"\"\"x\"\"\"\"\"\nb = '''y'''''\nc = 1\n"
    assert scan(text)[("c",)] == 3


PIECES = ["[a]", "[[b]]", "k = 1", "'q' = 2", '"#" = "="', "x.y = [1, {z = '}'}]", "m = '''\n'''"]


@given(st.lists(st.sampled_from([*PIECES, "# c", "", "l = [\n 1, # ]\n 2]"]), max_size=8))
def test_agrees_with_tomllib_on_valid_texts(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(scan(text)) == paths(data)
