from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from streamctl_hls.page import HLS_JS, player_page


def body(code: str = "news", title: str = "News") -> str:
    reply = player_page(code, title)
    assert isinstance(reply.body, bytes)
    return reply.body.decode()


def test_title_and_code_are_escaped() -> None:
    page = body("a/b", '<script>alert("1")</script>&{{code}}{{script}}')
    assert '<script>alert("1")' not in page
    assert page.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;{{code}}") == 2
    assert page.count("<script>") == 1


def test_the_policy_allows_exactly_the_inline_script_and_style() -> None:
    reply = player_page("news", "News")
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for name in ("script", "style"):
        found = re.search(rf"<{name}>(.*?)</{name}>", body(), re.DOTALL)
        assert found
        digest = b64encode(sha256(found[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = body()
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "://" not in page
    assert not re.search(r"\son\w+=", page)


def test_pages_carry_tags_by_content() -> None:
    first, again = player_page("news", "News"), player_page("news", "News")
    other = player_page("news", "Other")
    assert first.headers["ETag"] == again.headers["ETag"] != other.headers["ETag"]
    assert first.content_type.startswith("text/html")


def test_pages_and_scripts_say_since_when_they_are_like_this() -> None:
    assert player_page("news", "News", 1000.5).modified == 1000.5
    assert HLS_JS.modified > 1_000_000_000


def test_the_script_is_the_vendored_one() -> None:
    assert isinstance(HLS_JS.body, bytes)
    assert b"Hls" in HLS_JS.body
    assert b"sourceMappingURL" not in HLS_JS.body
    assert HLS_JS.content_type.startswith("text/javascript")
