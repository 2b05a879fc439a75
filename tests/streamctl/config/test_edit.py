from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.config.edit import by_lines, edited, merged, same
from streamctl.errors import ConfigError

SAMPLE = (Path(__file__).parents[3] / "streams.toml").read_text("utf-8")
FILE = """\
# The head of the file.
[streams.a]  # first
title = "A"   # shown to viewers
inputs = [
  "publish:",  # the encoder
]
# publish_key = "later"

# About the second stream.
[streams.b]
inputs = ["publish:"]
[streams.b.hls]
window = 6    # segments
[[streams.b.push]]
name = "one"
url = "rtmp://one.example/live/1"

# The main one.
[[streams.b.push]]
name = "two"
url = "rtmp://two.example/live/2"
retry_s = 5

[limits]
sessions = 10
"""


def stream(text: str, code: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text)["streams"][code]
    return found


def changed(before: str, after: str) -> list[str]:
    """The lines that came and went, marked by plus and minus."""
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line[0] + line[2:].rstrip("\n") for line in lines if line[0] in "+-"]


def patched(text: str, code: str, **patch: Any) -> str:
    return edited(text, code, merged(tomllib.loads(text)["streams"].get(code, {}), patch))


@pytest.mark.parametrize(
    ("code", "patch", "lines"),
    [
        pytest.param("a", {}, [], id="nothing"),
        pytest.param(
            "a",
            {"title": "New"},
            ['-title = "A"   # shown to viewers', '+title = "New"   # shown to viewers'],
            id="a value",
        ),
        pytest.param("a", {"title": None}, ['-title = "A"   # shown to viewers'], id="a key gone"),
        pytest.param("a", {"disabled": True}, ["+disabled = true"], id="a key more"),
        pytest.param(
            "a",
            {"title": 'q"\n\\', "merge_ms": 5, "buffer_s": 2.5},
            [
                '-title = "A"   # shown to viewers',
                '+title = "q\\"\\n\\\\"   # shown to viewers',
                "+merge_ms = 5",
                "+buffer_s = 2.5",
            ],
            id="several",
        ),
        pytest.param("b", {"hls": {"window": 9}}, ["-window = 6    # segments",
                     "+window = 9    # segments"], id="a value of an output"),
        pytest.param("b", {"hls": {"segment_s": 2}}, ["+segment_s = 2"], id="a key of an output"),
        pytest.param("b", {"hls": None}, ["-[streams.b.hls]", "-window = 6    # segments"],
                     id="an output gone"),
        pytest.param("a", {"hls": {"window": 3}}, ["+[streams.a.hls]", "+window = 3"],
                     id="an output more"),
        pytest.param("a", {"degrade": {"min_kbps": 3}}, ["+[streams.a.degrade]", "+min_kbps = 3"],
                     id="a table more"),
        pytest.param(
            "a",
            {"push": [{"name": "x", "url": "rtmp://x/y/z", "headers": {"A b": "c"}}]},
            ["+[[streams.a.push]]", '+name = "x"', '+url = "rtmp://x/y/z"',
             '+headers = { "A b" = "c" }'],
            id="a list of tables more",
        ),
        pytest.param(
            "a",
            {"inputs": ["publish:", {"url": "file:x.ts", "loop": True}]},
            ["-inputs = [", '-  "publish:",  # the encoder', "-]",
             '+inputs = ["publish:", { url = "file:x.ts", loop = true }]'],
            id="a list written anew",
        ),
    ],
)  # fmt: skip
def test_a_change_touches_its_lines_only(
    code: str, patch: dict[str, Any], lines: list[str]
) -> None:
    assert sorted(changed(FILE, patched(FILE, code, **patch))) == sorted(lines)


PUSH: list[dict[str, Any]] = [
    {"name": "one", "url": "rtmp://one.example/live/1"},
    {"name": "two", "url": "rtmp://two.example/live/2", "retry_s": 5},
]
MORE = {"name": "more", "url": "rtmp://more.example/live/3"}


@pytest.mark.parametrize(
    ("push", "lines"),
    [
        pytest.param([PUSH[0], {**PUSH[1], "retry_s": 9}], ["-retry_s = 5", "+retry_s = 9"],
                     id="one changed"),
        pytest.param([PUSH[1]], ["-[[streams.b.push]]", '-name = "one"',
                     '-url = "rtmp://one.example/live/1"'], id="the first gone"),
        pytest.param([PUSH[0]], ["-# The main one.", "-[[streams.b.push]]", '-name = "two"',
                     '-url = "rtmp://two.example/live/2"', "-retry_s = 5", "-"],
                     id="the last gone"),
        pytest.param([*PUSH, MORE], ["+[[streams.b.push]]", '+name = "more"',
                     '+url = "rtmp://more.example/live/3"'], id="one more at the end"),
        pytest.param([MORE, *PUSH], ["+[[streams.b.push]]", '+name = "more"',
                     '+url = "rtmp://more.example/live/3"'], id="one more at the begin"),
    ],
)  # fmt: skip
def test_lists_of_tables_change_table_by_table(push: list[Any], lines: list[str]) -> None:
    after = patched(FILE, "b", push=push)
    assert stream(after, "b")["push"] == push
    # Where equal lines repeat, a diff may name the one for the other.
    assert sorted(changed(FILE, after)) == sorted(lines)


@pytest.mark.parametrize("push", [[PUSH[1], PUSH[0]], [], [MORE], [PUSH[1], MORE, PUSH[0]]])
def test_lists_of_tables_may_become_any_other(push: list[Any]) -> None:
    after = patched(FILE, "b", push=push)
    assert stream(after, "b")["push"] == push
    assert stream(after, "a") == stream(FILE, "a")


def test_a_stream_goes_with_its_comments_and_leaves_those_of_others() -> None:
    assert (
        edited(FILE, "b", None)
        == """\
# The head of the file.
[streams.a]  # first
title = "A"   # shown to viewers
inputs = [
  "publish:",  # the encoder
]
# publish_key = "later"

[limits]
sessions = 10
"""
    )
    assert edited(FILE, "a", None).startswith(
        "# The head of the file.\n\n# About the second stream.\n[streams.b]\n"
    )


def test_a_new_stream_comes_last() -> None:
    table = {"inputs": ["publish:"], "title": "C", "hls": {"window": 3}, "push": [MORE]}
    after = edited(FILE, "region/c", table)
    assert (
        after
        == FILE
        + """
[streams."region/c"]
inputs = ["publish:"]
title = "C"
[streams."region/c".hls]
window = 3
[[streams."region/c".push]]
name = "more"
url = "rtmp://more.example/live/3"
"""
    )
    assert edited(after, "region/c", None) == FILE


@pytest.mark.parametrize("text", ["", "# only words", "[limits]\nsessions = 10"])
def test_the_first_stream_of_a_file(text: str) -> None:
    after = edited(text, "a", {"inputs": ["publish:"]})
    assert after.startswith(text)
    assert stream(after, "a") == {"inputs": ["publish:"]}


@pytest.mark.parametrize(
    "text",
    [
        '[streams]\na = { inputs = ["publish:"], title = "A" }\nb = { inputs = ["publish:"] }\n',
        '[streams]\na.inputs = ["publish:"]\na.title = "A"\nb.inputs = ["publish:"]\n',
        'streams.a.inputs = ["publish:"]\nstreams.a.title = "A"\n[streams.b]\ninputs = []\n',
        'streams = { a = { inputs = ["publish:"], title = "A" }, b = { inputs = ["publish:"] } }\n',
        '[streams.a.hls]\nwindow = 3\n[streams.b]\ninputs = []\n[streams.a]\ntitle = "A"\n',
        '[streams.a]\nhls.window = 3\ntitle = "A"\n[streams.b]\ninputs = []\n',
    ],
)
@pytest.mark.parametrize(
    "patch", [{"title": "B"}, {"title": None}, {"hls": {"segment_s": 4}}, None]
)
def test_unusual_ways_to_write_a_stream(text: str, patch: dict[str, Any] | None) -> None:
    before = tomllib.loads(text)["streams"]
    wanted = None if patch is None else merged(before["a"], patch)
    after = tomllib.loads(edited(text, "a", wanted))["streams"]
    assert after.get("a") == wanted
    assert after["b"] == before["b"]


REPLACED = """\
[streams.a]
inputs = ["publish:"]
hls.window = 3

[[streams.a.users]]  # who may
name = "u"

# The other one.
[streams.b]
inputs = []
"""


@pytest.mark.parametrize(
    "table",
    [
        {"inputs": ["publish:"], "hls": {}, "users": [{"name": "u"}]},
        {"inputs": ["publish:"], "hls": {"window": 3}, "push": [{"name": "p"}], "title": "A"},
        {"push": [{"name": "p"}, {"name": "q"}], "title": "A"},
        {"users": [{"name": "v"}, {"name": "u"}], "hls": {"segment_s": 4}, "title": "A"},
    ],
)
def test_what_goes_and_what_comes_at_one_place_do_not_mix(table: dict[str, Any]) -> None:
    after = by_lines(REPLACED, tomllib.loads(REPLACED), "a", table)
    assert tomllib.loads(after)["streams"] == {"a": table, "b": {"inputs": []}}
    assert after.endswith("\n# The other one.\n[streams.b]\ninputs = []\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_alike_whoever_made_them(end: str) -> None:
    text = end.join(["[streams]", 'a = { title = "A" }', "b = { title = 'B' }", ""])
    for table in ({"title": "A", "hls": {"window": 3}, "push": [{"name": "p"}]}, {}):
        after = edited(text, "a", table)
        assert after.count("\n") == after.count(end)


def test_what_is_nested_beyond_all_bounds_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(ConfigError, match="too deep"):
        edited(FILE, "a", {"inputs": deep})


def test_line_ends_and_the_mark_of_an_encoding_stay() -> None:
    text = "\ufeff" + FILE.replace("\n", "\r\n")
    after = edited(text, "a", {**stream(FILE, "a"), "title": "New", "disabled": True})
    assert after[0] == "\ufeff"
    assert "\n" not in after.replace("\r\n", "")
    assert stream(after[1:], "a")["disabled"] is True


@pytest.mark.parametrize("value", [None, object()])
def test_what_toml_has_no_words_for_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="no such value"):
        edited(FILE, "a", {"inputs": [value]})


def test_a_broken_file_is_not_edited() -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        edited("[streams.a\n", "a", None)


@pytest.mark.parametrize(
    ("code", "patch", "lines"),
    [
        ("news", {"title": "N"}, ['-title = "News"', '+title = "N"']),
        ("news", {"disabled": True}, ["+disabled = true"]),
        ("region/secure", {"publish_key": "other"},
         ['-publish_key = "change-me"', '+publish_key = "other"']),
        ("region/secure", {"srt": {"latency_ms": 400}},
         ['+[streams."region/secure".srt]', "+latency_ms = 400"]),
    ],
)  # fmt: skip
def test_the_sample_changes_in_nothing_else(
    code: str, patch: dict[str, Any], lines: list[str]
) -> None:
    after = patched(SAMPLE, code, **patch)
    assert changed(SAMPLE, after) == lines
    # The same in bytes: what is before and behind the change is untouched.
    added = {line[1:] for line in lines if line[0] == "+"}
    gone = {line[1:] for line in lines if line[0] == "-"}
    kept = [line for line in after.split("\n") if line.split("  #")[0] not in added]
    assert kept == [line for line in SAMPLE.split("\n") if line.split("  #")[0] not in gone]


def test_streams_of_the_sample_leave_and_others_come() -> None:
    without = edited(SAMPLE, "news", None)
    assert set(changed(SAMPLE, without)) <= {
        "-" + line
        for line in SAMPLE.split("\n")
        if not line or "news" in line or "News" in line or "wait for a publisher" in line
    }
    assert edited(edited(SAMPLE, "x", {"inputs": ["publish:"]}), "x", None) == SAMPLE


NAMES = st.sampled_from(["a", "b", "region/c"])
SCALARS = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(0, 9), st.text(max_size=6), st.just("publish:")
)
SMALL = st.dictionaries(st.sampled_from(["x", "y z", "w"]), SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, SMALL, st.lists(SCALARS, max_size=3), st.lists(SMALL, max_size=3))
TABLES = st.dictionaries(
    st.sampled_from(["title", "inputs", "push", "hls", "sub.key"]), VALUES, max_size=4
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, st.one_of(st.none(), TABLES)), min_size=1, max_size=5))
def test_any_edits_in_any_order_say_what_was_asked_for(
    edits: list[tuple[str, dict[str, Any] | None]],
) -> None:
    text = FILE
    wanted: dict[str, Any] = dict(tomllib.loads(FILE)["streams"])
    for code, table in edits:
        # Lines are enough for what is written with headers, and for what we write ourselves.
        before = tomllib.loads(text)
        made = by_lines(text, before, code, table) if table or code in wanted else text
        text = edited(text, code, table)
        assert table == {} or text == made
        if table is None:
            wanted.pop(code, None)
        else:
            wanted[code] = table
        assert same(tomllib.loads(text).get("streams", {}), wanted)
        assert text.startswith("# The head of the file.\n") or "a" not in wanted
        assert "[limits]\nsessions = 10\n" in text


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ([1], [True]), ({}, []), ("1", 1)])
def test_what_is_written_differently_is_not_the_same(one: object, other: object) -> None:
    assert not same({"k": one}, {"k": other})
    assert same({"k": one}, {"k": one})


def test_a_patch_merges_tables_and_null_removes() -> None:
    table = {"a": 1, "t": {"x": 1, "y": 2}, "l": [1, 2]}
    assert merged(table, {"a": None, "t": {"x": None, "z": 3}, "l": [3], "n": {"m": None}}) == {
        "t": {"y": 2, "z": 3},
        "l": [3],
        "n": {},
    }
