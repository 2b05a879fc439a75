from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl.sdk.session import Action
from streamctl_srt.wire.streamid import MAX_BYTES, StreamId

PUBLISH, PLAY = Action.PUBLISH, Action.PLAY
CODES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)
PATHS = st.lists(CODES, min_size=1, max_size=3).map("/".join)
WORDS = st.text(string.ascii_letters + string.digits + "!$.-_~", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("publish:news", StreamId("news", PUBLISH)),
        ("publish:live/news", StreamId("live/news", PUBLISH)),
        ("publish:/region/a/", StreamId("region/a", PUBLISH)),
        ("publish:news#feedbackplay", StreamId("news", PUBLISH)),
        ("read:news", StreamId("news", PLAY)),
        ("request:news", StreamId("news", PLAY)),
        ("play:news", StreamId("news", PLAY)),
        ("publish:news:user:pa:ss", StreamId("news", PUBLISH, "user", "pa:ss")),
        ("publish:news:word", StreamId("news", PUBLISH, "", "word")),
        ("publish:news:key=word", StreamId("news", PUBLISH, query={"key": "word"})),
        ("publish:news?key=word", StreamId("news", PUBLISH, query={"key": "word"})),
        (
            "publish:news:u:p?key=a%20b",
            StreamId("news", PUBLISH, "u", "p", {"key": "a b"}),
        ),
        (
            "read:news?user=u&pass=p",
            StreamId("news", PLAY, "u", "p", {"user": "u", "pass": "p"}),
        ),
        ("news", StreamId("news")),
        ("/live/news", StreamId("live/news")),
        ("region/a?key=k", StreamId("region/a", query={"key": "k"})),
        ("news:u:p", StreamId("news", None, "u", "p")),
        ("#!::r=news", StreamId("news")),
        ("#!::r=news,m=publish", StreamId("news", PUBLISH)),
        ("#!::m=publish,r=live/news", StreamId("live/news", PUBLISH)),
        ("#!::m=request,u=me,s=word,r=/news,h=host,t=stream", StreamId("news", PLAY, "me", "word")),
        ("#!::h=host/live/news,m=publish", StreamId("live/news", PUBLISH)),
        ("#!::r=news,m=publish,p=word", StreamId("news", PUBLISH, query={"p": "word"})),
        ("#!::r=news?key=a,m=publish,x=y", StreamId("news", PUBLISH, query={"key": "a", "x": "y"})),
        ("#!::r=news,,m=publish,", StreamId("news", PUBLISH)),
        ("#!::r=news,m=publish#feedbackplay", StreamId("news", PUBLISH)),
        ("%23%21::r%3Dnews%2Cm%3Dpublish", StreamId("news", PUBLISH)),
        ("%23!::r=news,m=publish", StreamId("news", PUBLISH)),
        ("#!::r=live%2Fnews,m=publish", StreamId("live/news", PUBLISH)),
        ("publish:news%3Fkey%3Ds%26t", StreamId("news", PUBLISH, query={"key": "s", "t": ""})),
        ("publish%3Anews%3Au%3Ap", StreamId("news", PUBLISH, "u", "p")),
        ("live%2Fnews", StreamId("live/news")),
        ("publish:news:u:50%23", StreamId("news", PUBLISH, "u", "50%23")),
    ],
)
def test_every_form_is_read(text: str, expected: StreamId) -> None:
    assert StreamId.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("publish:news?key=a", "a"),
        ("#!::r=news,p=a", "a"),
        ("#!::r=news,key=b,p=a", "b"),
        ("publish:news", ""),
    ],
)
def test_a_key_stands_in_the_query_or_by_itself(text: str, key: str) -> None:
    assert StreamId.parse(text).key == key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no stream"),
        ("publish:", "names no stream"),
        ("publish:/", "names no stream"),
        ("?key=a", "names no stream"),
        ("#!::", "names no stream"),
        ("#!::m=publish", "names no stream"),
        ("#!::h=host,m=publish", "names no stream"),
        ("publish:../../x", "no path of a stream: `../../x`"),
        ("../../x", "no path of a stream"),
        ("#!::r=a/../b", "no path of a stream"),
        ("a/./b", "no path of a stream"),
        ("..\\x", "no path of a stream"),
        ("n" * 600, "600 bytes: 512 are allowed"),
        ("ü" * 257, "514 bytes"),
        ("news\n", "control characters"),
        ("news\0", "control characters"),
        ("#!{r=news}", "no form of stream ids"),
        ("#!:{r=news}", "nested keys"),
        ("#!::r=news,m=bidirectional", "no mode of a stream id: `m=bidirectional`"),
        ("#!::r=news,m=", "no mode"),
        ("#!::r=news,t=file", "only live streams"),
    ],
)
def test_what_names_no_stream_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason.replace("(", r"\(")):
        StreamId.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "#!s=change-me,r=news",
        "#!::r=news,m=publish;s=change-me",
        "#!::r=news,t=file;s=change-me",
        "publish:../news;key=change-me",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        StreamId.parse(text)
    assert "change-me" not in caught.value.message


def test_a_refusal_repeats_no_more_than_the_beginning() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        StreamId.parse("../" + "x" * 500)
    assert len(caught.value.message) < 200


@given(PATHS, st.sampled_from([None, *Action]), WORDS, WORDS)
def test_the_short_and_the_standard_form_mean_the_same(
    path: str, action: Action | None, user: str, password: str
) -> None:
    words = {None: "", PUBLISH: "publish:", PLAY: "read:"}
    modes = {None: "", PUBLISH: ",m=publish", PLAY: ",m=request"}
    expected = StreamId(path, action, user, password)
    if action is not None or path not in {"publish", "read", "request", "play"}:
        assert StreamId.parse(f"{words[action]}{path}:{user}:{password}") == expected
    assert StreamId.parse(f"#!::u={user},s={password},r={path}{modes[action]}") == expected


@given(st.text(max_size=MAX_BYTES + 20))
@example("#!::" + "r=," * 170)
@example("?" + "&" * 511)
@example("publish:" + ":" * 500)
def test_any_text_is_a_stream_id_or_refused(text: str) -> None:
    with suppress(RemoteProtocolError):
        found = StreamId.parse(text)
        assert found.path
        assert found.path == found.path.strip("/")
        assert ".." not in found.path.split("/")


@given(
    st.sampled_from(
        ["#!::r=news,m=publish,u=a,s=b,p=c,h=d,t=stream", "publish:live/news:u:p?key=k"]
    ),
    st.lists(st.tuples(st.integers(0, 60), st.characters()), max_size=6),
)
def test_bent_stream_ids_raise_nothing_else(text: str, changes: list[tuple[int, str]]) -> None:
    letters = list(text)
    for at, letter in changes:
        letters[at % len(letters)] = letter
    with suppress(RemoteProtocolError):
        StreamId.parse("".join(letters))
