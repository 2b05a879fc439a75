"""The dashboard: one page without outside resources, filled by the API it lives beside.

The page holds no data, so it is open; what it shows it asks for, with the operator's token where
one is configured. Its content security policy allows its own script and style by hash and nothing
else, so that no text from a publisher can become code. Specification: CSP Level 3.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response


def dashboard() -> Callable[[Request], Awaitable[Response]]:
    """The handler of ``GET /``, with the page read and its policy made."""
    page = files("streamctl.api").joinpath("pages", "dashboard.html").read_text("utf-8")
    script, style = (
        " ".join(f"'sha256-{digest(text)}'" for text in inline(page, tag))
        for tag in ("script", "style")
    )
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    async def page_of_streams(request: Request) -> Response:
        return HTMLResponse(page, headers={"content-security-policy": policy})

    return page_of_streams


def inline(page: str, tag: str) -> list[str]:
    """The texts of the page's inline elements of one kind."""
    return re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)


def digest(text: str) -> str:
    """A hash as the policy spells it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
