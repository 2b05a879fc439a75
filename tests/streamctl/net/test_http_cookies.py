"""Which cookies go where."""

from __future__ import annotations

import pytest

from streamctl.net.http_cookies import MAX_COOKIE_CHARS, MAX_COOKIES, CookieJar
from streamctl.net.http_target import Target

HERE = Target.of("http://cdn.example.org/live/a/index.m3u8?x=/y/z")


def jar(*lines: str, target: Target = HERE) -> CookieJar:
    found = CookieJar()
    found.take(lines, target)
    return found


def sent(found: CookieJar, url: str) -> str:
    return found.headers(Target.of(url)).get("Cookie", "")


def test_cookies_go_back_to_their_folder_and_below() -> None:
    found = jar("a=1", "b=2; Path=/", "c=3; path=/live/a/b")
    assert sent(found, "http://cdn.example.org/live/a/seg.ts") == "a=1; b=2"
    assert sent(found, "http://cdn.example.org/live/a/b/seg.ts") == "c=3; a=1; b=2"
    assert sent(found, "http://cdn.example.org/live/ab") == "b=2"
    assert sent(found, "http://other.example.org/live/a/seg.ts") == ""


def test_a_domain_shares_them_with_its_hosts() -> None:
    found = jar("a=1; Domain=.Example.org; Path=/")
    assert sent(found, "http://x.example.org/") == "a=1"
    assert sent(found, "http://example.org/") == "a=1"
    assert sent(found, "http://badexample.org/") == ""


@pytest.mark.parametrize(
    "line",
    [
        *("a=1; Domain=org", "a=1; Domain=other.org", "a", "=1", "a=\x01", "a=ä"),
        "a=" + "x" * MAX_COOKIE_CHARS,
    ],
)
def test_some_are_not_taken(line: str) -> None:
    assert sent(jar(line), HERE.url) == ""


def test_the_end_of_an_address_is_no_site() -> None:
    found, here = CookieJar(), Target.of("http://192.0.2.7/a")
    found.take(["a=1; Domain=0.2.7", "b=2; Domain=192.0.2.7", "c=3; Domain=.2.7"], here)
    assert sent(found, "http://192.0.2.7/") == "b=2"
    assert sent(found, "http://198.0.2.7/") == ""


def test_secure_ones_go_over_tls_only() -> None:
    found = jar("a=1; Secure; Path=/")
    assert sent(found, "http://cdn.example.org/") == ""
    assert sent(found, "https://cdn.example.org/") == "a=1"


@pytest.mark.parametrize("age", ["0", "-1", "00"])
def test_a_cookie_is_replaced_and_taken_back(age: str) -> None:
    found = jar("a=1")
    found.take(["a=2"], HERE)
    assert sent(found, HERE.url) == "a=2"
    found.take([f"a=3; Max-Age={age}"], HERE)
    assert sent(found, HERE.url) == ""
    found.take(["a=4; max-age=60"], HERE)
    assert sent(found, HERE.url) == "a=4"


def test_there_are_not_too_many() -> None:
    found = jar(*(f"c{number}=1" for number in range(MAX_COOKIES + 10)))
    assert sent(found, HERE.url).count("=") == MAX_COOKIES
