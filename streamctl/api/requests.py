"""What every handler takes out of a request, and how it answers a document."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import anyio
from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from streamctl.api.control import ConfigControl, Control

MAX_BODY_BYTES = 1_048_576
"""A stream's table is some kilobytes, a file of a thousand streams a few hundred."""

BODY_TIMEOUT_S = 10.0
"""A body of that size comes at once or never."""

ENCODED_SLASH = re.compile(rb"%2f", re.IGNORECASE)


class EncodedSlashes:
    """ASGI middleware that keeps ``%2F`` in a path apart from the slashes of the route.

    Servers decode the path before it is routed; a code with slashes is one segment only in the
    raw path. It is rewritten to ``~``, the other spelling that the API knows.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the path and pass on."""
        raw = scope.get("raw_path") or b""
        if b"%2" in raw:
            path = unquote(ENCODED_SLASH.sub(b"~", raw).decode("ascii", "replace"))
            scope = {**scope, "path": path}
        await self.app(scope, receive, send)


def control(request: Request) -> Control:
    """The server that the application was built for."""
    return cast("Control", request.app.state.control)


def configuration(request: Request) -> ConfigControl:
    """The configuration of that server."""
    return control(request).configuration


def stream_code(request: Request) -> str:
    """The code in the path, ``~`` read as ``/``."""
    return str(request.path_params["code"]).replace("~", "/")


def is_dry_run(request: Request) -> bool:
    """Whether ``?dry_run`` asks for the plan alone.

    Raises:
        HTTPException: neither yes nor no.
    """
    return flag(request, "dry_run")


def expected_version(request: Request) -> str:
    """The version that ``If-Match`` names; empty = any.

    Proxies that compress make a weak one of it.
    """
    version = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    return "" if version == "*" else version


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A parameter that says yes or no.

    Raises:
        HTTPException: it says neither.
    """
    value = request.query_params.get(name, str(int(default))).lower()
    if value not in ("0", "1", "false", "true"):
        raise HTTPException(400, f"write `{name}=1` or `{name}=0`: `{value}`")
    return value in ("1", "true")


async def json_object(request: Request) -> dict[str, Any]:
    """The body, a JSON object.

    Raises:
        HTTPException: too large, too slow, or not a JSON object.
    """
    try:
        with anyio.fail_after(BODY_TIMEOUT_S):
            document = json.loads(await read_body(request))
            # Half a surrogate pair can be written in JSON, but no answer could repeat it.
            json.dumps(document, ensure_ascii=False).encode()
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive in {BODY_TIMEOUT_S:g} s") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HTTPException(400, f"the body is not JSON: {reason}") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return document


async def text_body(request: Request) -> str:
    """The body as text.

    Raises:
        HTTPException: too large, too slow, or not UTF-8.
    """
    try:
        with anyio.fail_after(BODY_TIMEOUT_S):
            return (await read_body(request)).decode()
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive in {BODY_TIMEOUT_S:g} s") from None
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8") from None


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        HTTPException: too large.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"a body has at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


def answer(document: BaseModel, status: int = 200) -> Response:
    """A document as JSON."""
    return Response(document.model_dump_json(), status, media_type="application/json")
