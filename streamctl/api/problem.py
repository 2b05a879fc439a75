"""The one shape of every error that the API answers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

from streamctl.errors import ConfigError, Conflict, NotFound, NotReady, StreamctlError, Unsupported
from streamctl.schema import Problem, faults_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from streamctl.schema import ConfigFault

log = logging.getLogger(__name__)

STREAM = "/api/v1/streams/"
NAMES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    429: "too_many_requests",
    431: "too_large",
    503: "unavailable",
}
"""The machine-readable name of each status that the API answers, besides 500."""

STATUSES: tuple[tuple[type[StreamctlError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (ConfigError, 400, "invalid_config"),
    (Conflict, 409, "conflict"),
    (Unsupported, 400, "unsupported"),
    (NotReady, 503, "not_ready"),
)
"""Status and name of the errors that a request can cause, the more special first."""


def rfc3339() -> str:
    """The current time in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def problem(
    status: int,
    message: str,
    *,
    hint: str = "",
    error: str = "",
    headers: Mapping[str, str] | None = None,
    faults: Sequence[ConfigFault] = (),
) -> Response:
    """An error response; its name follows from the status unless given."""
    name = error or NAMES.get(status, "internal")
    body = Problem(error=name, message=message, hint=hint, time=rfc3339(), faults=list(faults))
    text = body.model_dump_json(exclude=None if faults else {"faults"})
    return Response(text, status, headers=headers, media_type="application/json")


def on_streamctl_error(request: Request, error: Exception) -> Response:
    """Translate an error of ours; what no request can cause is a fault of the server."""
    assert isinstance(error, StreamctlError)
    for kind, status, name in STATUSES:
        if isinstance(error, kind):
            faults = faults_of(error) if isinstance(error, ConfigError) else []
            # Of several, each has its own.
            hint = error.hint if len(faults) <= 1 else ""
            return problem(status, str(error), hint=hint, error=name, faults=faults)
    log.error("%s %s failed: %s", request.method, request.url.path, error)
    return problem(500, str(error), hint=error.hint, error="failed")


def on_http_exception(request: Request, error: Exception) -> Response:
    """Translate what the router and the handlers refuse."""
    assert isinstance(error, HTTPException)
    messages = {
        404: f"no such path: `{request.url.path}`",
        405: f"the path does not take this method: `{request.method}`",
    }
    hint = "GET /openapi.json lists every path" if error.status_code in messages else ""
    if error.status_code == 404 and request.url.path.startswith(STREAM):
        hint += ", in which `/` in the code of a stream is written `~`"
    return problem(
        error.status_code,
        messages.get(error.status_code, error.detail),
        hint=hint,
        headers=error.headers,
    )


def on_crash(request: Request, error: Exception) -> Response:
    """Answer a bug without showing its inside; the log has the traceback."""
    return problem(500, "the server failed to answer", hint="its log says why")
