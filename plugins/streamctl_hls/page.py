"""The player page of a stream and the script it loads.

The page is one self-contained document beside hls.js, which comes from this package. Its
content security policy (W3C CSP3) allows this server's media, hls.js and its blob worker, and
the inline script and style by their hashes, nothing else.
"""

from __future__ import annotations

import html
from base64 import b64encode
from binascii import crc32
from dataclasses import replace
from hashlib import sha256
from importlib.resources import as_file, files

from streamctl.sdk.endpoints import Bytes


def _asset(name: str) -> bytes:
    return files("streamctl_hls").joinpath(name).read_bytes()


def _source(data: bytes) -> str:
    return f"'sha256-{b64encode(sha256(data).digest()).decode()}'"


def _modified(name: str) -> float:
    """When an asset was installed."""
    with as_file(files("streamctl_hls").joinpath(name)) as path:
        return path.stat().st_mtime


def _reply(body: bytes, content_type: str, cache: str, **headers: str) -> Bytes:
    etag = f'"{crc32(body):08x}"'
    fixed = {"ETag": etag, "Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
    return Bytes(body, content_type=content_type, headers={**fixed, **headers})


TEMPLATE = _asset("player/player.html").decode()
STYLE = _asset("player/player.css")
SCRIPT = _asset("player/player.js")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src blob:",
        "img-src data:",
        f"script-src 'self' {_source(SCRIPT)}",
        f"style-src {_source(STYLE)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
HLS_JS = replace(
    _reply(_asset("vendor/hls.min.js"), "text/javascript; charset=utf-8", "max-age=86400"),
    modified=_modified("vendor/hls.min.js"),
)
"""hls.js as a response, shared by all streams."""


def player_page(code: str, title: str, made: float = 0.0) -> Bytes:
    """The player page of one stream, which began at Unix time ``made``, as a response."""
    fields = {
        "{{title}}": html.escape(title),
        "{{code}}": html.escape(code),
        "{{style}}": STYLE.decode(),
        "{{script}}": SCRIPT.decode(),
    }
    text = TEMPLATE
    for name in ("{{style}}", "{{script}}", "{{code}}", "{{title}}"):
        text = text.replace(name, fields[name])
    reply = _reply(
        text.encode(),
        "text/html; charset=utf-8",
        "no-cache",
        **{"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"},
    )
    return replace(reply, modified=made)
