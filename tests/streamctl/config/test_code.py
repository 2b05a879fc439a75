from __future__ import annotations

import pytest

from streamctl.config.code import fault, shadowed


@pytest.mark.parametrize("code", ["news", "region/a", "A-b_9", "x" * 128, "mpegts/x", "whips"])
def test_takes(code: str) -> None:
    assert fault(code) == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "letters"),
        ("a b", "letters"),
        ("a..b", "letters"),
        ("ä", "letters"),
        ("a~b", "letters"),
        ("x" * 129, "128"),
        ("/a", "empty part"),
        ("a/", "empty part"),
        ("a//b", "empty part"),
        ("mpegts", "reserved"),
        ("a/whip", "reserved"),
        ("a/whep", "reserved"),
    ],
)
def test_refuses(code: str, reason: str) -> None:
    assert reason in fault(code)


def test_finds_codes_that_share_a_path() -> None:
    assert list(shadowed(["news", "live/news", "live/b", "live/live/b", "c"])) == [
        ("live/b", "live/live/b"),
        ("news", "live/news"),
    ]
