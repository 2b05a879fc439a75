"""What of a representation a client wants."""

from __future__ import annotations

import pytest

from streamctl.net.http_condition import (
    byte_range,
    cut,
    http_date,
    none_match,
    selection,
)
from streamctl.sdk.endpoints import Bytes, HttpRequest

CHANGED = 784_111_777.5
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
REPLY = Bytes(b"0123456789", headers={"ETag": '"v1"'}, modified=CHANGED)
WEAK = Bytes(b"0123456789", headers={"etag": 'W/"v1"'})
BARE = Bytes(b"0123456789")
ALL, NONE, SOME, FAILED = (200, 0, 10), (304, 0, 0), (206, 0, 2), (412, 0, 0)


def selected(reply: Bytes, *, method: str = "GET", **fields: str) -> tuple[int, int, int]:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return selection(HttpRequest(method, "/", {}, headers, "192.0.2.1"), reply, 10)


@pytest.mark.parametrize(
    ("asked", "selected"),
    [
        ("bytes=0-", (206, 0, 10)),
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=2-4", (206, 2, 5)),
        (" bytes=9-100 ", (206, 9, 10)),
        ("bytes=-3", (206, 7, 10)),
        ("bytes=-30", (206, 0, 10)),
        ("bytes=10-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", (200, 0, 10)),
        ("bytes=-", (200, 0, 10)),
        ("bytes=0-1,3-4", (200, 0, 10)),
        ("bytes=٣-", (200, 0, 10)),
        ("bytes=" + "9" * 40 + "-", (200, 0, 10)),
        ("items=0-1", (200, 0, 10)),
    ],
)
def test_byte_ranges(asked: str, selected: tuple[int, int, int]) -> None:
    assert byte_range(asked, 10) == selected


@pytest.mark.parametrize("first", range(11))
@pytest.mark.parametrize("last", range(11))
def test_a_cut_of_parts_equals_the_cut_of_the_whole(first: int, last: int) -> None:
    views = cut([b"012", b"", b"3456", b"789"], first, last)
    assert b"".join(views) == b"0123456789"[first:last]


@pytest.mark.parametrize(
    ("condition", "matches"),
    [('"v1"', True), ('W/"v1"', True), ('"v0", "v1"', True), ("*", True), ('"v2"', False)],
)
def test_none_match(condition: str, matches: bool) -> None:
    assert none_match(condition, '"v1"') is matches
    assert none_match(condition, 'W/"v1"') is matches


@pytest.mark.parametrize(
    "text", [DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_dates_have_three_forms(text: str) -> None:
    assert http_date(text) == int(CHANGED)


@pytest.mark.parametrize(
    "text", ["", "0", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", DATE.replace("GMT", "+" + "9" * 13)]
)
def test_what_is_no_date_means_nothing(text: str) -> None:
    assert http_date(text) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("reply", "fields", "expected"),
    [
        (REPLY, {}, ALL),
        (REPLY, {"if_none_match": '"v1"'}, NONE),
        (REPLY, {"if_none_match": '"v2"'}, ALL),
        (REPLY, {"if_none_match": '"v2"', "if_modified_since": DATE}, ALL),
        (BARE, {"if_none_match": '"v1"'}, ALL),
        (REPLY, {"if_modified_since": DATE}, NONE),
        (REPLY, {"if_modified_since": EARLIER}, ALL),
        (REPLY, {"if_modified_since": "soon"}, ALL),
        (BARE, {"if_modified_since": DATE}, ALL),
        (REPLY, {"if_match": '"v2", "v1"'}, ALL),
        (REPLY, {"if_match": "*"}, ALL),
        (REPLY, {"if_match": '"v2"'}, FAILED),
        (WEAK, {"if_match": 'W/"v1"'}, FAILED),
        (REPLY, {"if_unmodified_since": DATE}, ALL),
        (REPLY, {"if_unmodified_since": EARLIER}, FAILED),
        (BARE, {"if_unmodified_since": DATE}, FAILED),
        (REPLY, {"if_unmodified_since": "soon"}, ALL),
        (REPLY, {"if_match": '"v1"', "if_unmodified_since": EARLIER}, ALL),
        (REPLY, {"if_match": '"v1"', "if_none_match": '"v1"'}, NONE),
    ],
)
def test_conditions(
    reply: Bytes, fields: dict[str, str], expected: tuple[int, int, int], method: str
) -> None:
    assert selected(reply, method=method, **fields) == expected


@pytest.mark.parametrize(
    ("reply", "condition", "expected"),
    [
        (REPLY, '"v1"', SOME),
        (REPLY, '"v0"', ALL),
        (REPLY, 'W/"v1"', ALL),
        (WEAK, 'W/"v1"', ALL),
        (REPLY, DATE, SOME),
        (REPLY, EARLIER, ALL),
        (REPLY, "soon", ALL),
        (BARE, DATE, ALL),
    ],
)
def test_a_range_holds_for_the_representation_it_was_meant_for(
    reply: Bytes, condition: str, expected: tuple[int, int, int]
) -> None:
    assert selected(reply, range="bytes=0-1", if_range=condition) == expected


def test_conditions_come_before_ranges() -> None:
    assert selected(REPLY, range="bytes=0-1") == SOME
    assert selected(REPLY, range="bytes=0-1", if_none_match='"v1"') == NONE
    assert selected(REPLY, range="bytes=20-", if_match='"v2"') == FAILED
    assert selected(REPLY, range="bytes=20-") == (416, 0, 0)
    assert selected(REPLY, range="bytes=0-1", method="HEAD") == ALL
