"""Codes in the URLs of inputs that are made of other streams of this server.

``copy:CODE`` and ``mixer:CODE,CODE`` name no host: whatever else a URL may have is refused by the
name of that part, so that nobody believes that it has a meaning. Codes may contain slashes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL

CODE = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
PARTS = {"#": "a fragment", "@": "a user", ":": "a port", "?": "a query"}


def code_in(text: str, url: StreamURL) -> str:
    """The code that a part of a URL is; one slash behind it means nothing.

    Raises:
        ConfigError: it is none.
    """
    for sign, part in PARTS.items():
        if sign in text:
            raise ConfigError(
                f"`{url.redacted}` has {part}", hint=f"write nothing but codes: `{url.kind}:CODE`"
            )
    code = text.removesuffix("/")
    if not CODE.fullmatch(code):
        raise ConfigError(
            f"`{url.redacted}` names no stream" if not code else f"`{code}` is no stream's code",
            hint=f"write `{url.kind}:CODE`; codes have letters, digits, `_`, `-` and `/`",
        )
    return code


def body_of(url: StreamURL) -> str:
    """What a URL says behind its scheme, as it was written."""
    return url.raw.partition(":")[2].removeprefix("//")
