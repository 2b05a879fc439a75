from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streamctl.api.page import digest, inline

if TYPE_CHECKING:
    from tests.support.asgi import AppClient


def test_the_page_needs_nothing_from_elsewhere(client: AppClient) -> None:
    page = client.get("/").text
    assert re.findall(r"(?:src|href)=\"(?!/|data:)[^\"]*", page) == []
    assert re.findall(r"https?://[a-z][^\s\"'`]+", page) == []
    assert "@import" not in page


def test_the_policy_allows_the_pages_own_script_only(client: AppClient) -> None:
    response = client.get("/")
    policy = response.headers["content-security-policy"]
    (script,) = inline(response.text, "script")
    assert f"script-src 'sha256-{digest(script)}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"\son\w+=|javascript:", response.text) == []


def test_the_script_never_makes_markup_from_data(client: AppClient) -> None:
    (script,) = inline(client.get("/").text, "script")
    for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert danger not in script
