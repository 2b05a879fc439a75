"""Options in the query of a URL, beside a table."""

from __future__ import annotations

import pytest
from pydantic import Field

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options
from streamctl.sdk.query import OWN, Dialect, with_query
from streamctl.sdk.secret import Secret
from streamctl.sdk.url import StreamURL


class Keys(Options):
    """Some keys."""

    rate: int = Field(1, ge=0)
    loop: bool = True
    pids: tuple[int, ...] = ()
    word: Secret | None = None


def halved(name: str, text: str) -> object:
    return int(text) // 2 if name == "double" else text


DIALECT = Dialect(
    words={"speed": "rate", "double": "rate"},
    foreign=frozenset({"linger"}),
    tuning=frozenset({"pids"}),
    convert=halved,
    hints={"rate": "count on your fingers"},
)


def read(query: str, dialect: Dialect = DIALECT, /, **table: object) -> Keys:
    url = StreamURL.parse(f"x://h:1?{query}")
    return with_query(Keys.model_validate(table), url, dialect)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Keys()),
        ("rate=5", Keys(rate=5)),
        ("RATE=5", Keys(rate=5)),
        ("speed=5&loop=false", Keys(rate=5, loop=False)),
        ("double=8", Keys(rate=4)),
        ("speed=5&rate=6", Keys(rate=6)),
        ("pids=1,2", Keys(pids=(1, 2))),
        ("Linger=0", Keys()),
    ],
)
def test_the_url_may_say_it(query: str, expected: Keys) -> None:
    assert read(query) == expected


def test_the_table_holds_where_the_url_says_nothing() -> None:
    assert read("rate=5", loop=False) == Keys(rate=5, loop=False)


def test_both_may_say_the_same() -> None:
    assert read("double=8&loop=0&pids=1", rate=4, loop=False, pids=[1]) == Keys(
        rate=4, loop=False, pids=(1,)
    )
    assert read("word=abc", word="abc").word == Keys.model_validate({"word": "abc"}).word


@pytest.mark.parametrize(
    ("query", "table", "message"),
    [
        ("speed=5", {"rate": 6}, "`speed` in `x://h:1?speed=5` and the key `rate` differ"),
        # A default that is written is meant.
        ("rate=5", {"rate": 1}, "`rate` in `x://h:1?rate=5` and the key `rate` differ"),
        ("loop=1", {"loop": False}, "`loop` in `x://h:1?loop=1` and the key `loop` differ"),
        ("word=abc", {"word": "abd"}, "`word` in `x://h:1?word=abc` and the key `word` differ"),
    ],
)
def test_neither_wins_if_they_differ(query: str, table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(query, **table)
    assert caught.value.message == message
    assert caught.value.hint == "keep one of the two"


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("rate=-1", "`rate` in `x://h:1?rate=-1`: input should be", "count on your fingers"),
        ("speed=x", "`speed` in `x://h:1?speed=x`: input should be", "count on your fingers"),
        ("loop=perhaps", "`loop` in `x://h:1?loop=perhaps`: input should", ""),
        ("word=", "`word` in `x://h:1?word=`: it is empty", ""),
        ("speeed=1", "`speeed` in `x://h:1?speeed=1` is unknown", "did you mean `speed`?"),
        ("q=1", "`q` in", "valid: double, linger, loop, pids, rate, speed, word"),
    ],
)
def test_what_is_wrong_is_named(query: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(query)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


def test_words_of_other_programs_are_unknown_unless_a_dialect_has_them() -> None:
    with pytest.raises(ConfigError, match="`speed`"):
        read("speed=1", OWN)


def test_values_that_only_tune_are_left_out_with_a_warning() -> None:
    warnings: list[str] = []
    url = StreamURL.parse("x://h:1?pids=a&rate=2")
    assert with_query(Keys(), url, DIALECT, warn=warnings.append) == Keys(rate=2)
    [warning] = warnings
    assert warning.startswith("`pids` in `x://h:1?pids=a&rate=2`: ")
    assert warning.endswith("; left out")


def test_other_parts_of_a_url_come_before_its_query() -> None:
    url = StreamURL.parse("x://h:1?rate=2")
    assert with_query(Keys(), url, beside=[("rate", "9"), ("loop", "0")]) == Keys(
        rate=2, loop=False
    )


def test_destinations_show_no_value() -> None:
    url = StreamURL.parse("x://h:1?rate=-7").as_destination()
    with pytest.raises(ConfigError) as caught:
        with_query(Keys(), url)
    assert "-7" not in str(caught.value)
