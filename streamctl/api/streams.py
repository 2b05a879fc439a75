"""Streams and sessions: read, add, replace, remove, kick."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from starlette.exceptions import HTTPException

from streamctl.api.operation import Operation, Parameter
from streamctl.api.problem import rfc3339
from streamctl.api.requests import (
    answer,
    configuration,
    control,
    expected_version,
    flag,
    is_dry_run,
    json_object,
    stream_code,
)
from streamctl.schema import (
    Plan,
    PluginList,
    PushList,
    SessionList,
    SessionStatus,
    StreamList,
    StreamState,
    StreamStatus,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATES: tuple[str, ...] = get_args(StreamState)

KICKED = "kicked by an operator"
"""The reason that the peer and the log are told."""


async def list_streams(request: Request) -> Response:
    """``GET /api/v1/streams``."""
    status = request.query_params.get("status")
    if status is not None and status not in STATES:
        raise HTTPException(400, f"status is one of {', '.join(STATES)}: `{status}`")
    streams = control(request).streams(status)
    checks = control(request).health().checks
    faults = [
        f"{check.name}: {check.message}"
        for check in checks
        if check.status != "ok" and not check.name.startswith("stream ")
    ]
    return answer(StreamList(streams=streams, count=len(streams), time=rfc3339(), faults=faults))


async def get_stream(request: Request) -> Response:
    """``GET /api/v1/streams/{code}``."""
    return answer(control(request).stream(stream_code(request)))


async def list_pushes(request: Request) -> Response:
    """``GET /api/v1/streams/{code}/pushes``."""
    pushes = control(request).stream(stream_code(request)).pushes
    return answer(PushList(pushes=pushes, count=len(pushes), time=rfc3339()))


async def put_stream(request: Request) -> Response:
    """``PUT /api/v1/streams/{code}``."""
    dry_run = is_dry_run(request)
    document = await json_object(request)
    code = stream_code(request)
    plan = await configuration(request).put_stream(
        code,
        document,
        dry_run=dry_run,
        expected=expected_version(request),
        new=flag(request, "new"),
    )
    return answer(plan)


async def patch_stream(request: Request) -> Response:
    """``PATCH /api/v1/streams/{code}``."""
    dry_run = is_dry_run(request)
    patch = await json_object(request)
    code = stream_code(request)
    return answer(await configuration(request).patch_stream(code, patch, dry_run=dry_run))


async def delete_stream(request: Request) -> Response:
    """``DELETE /api/v1/streams/{code}``."""
    code, dry_run = stream_code(request), is_dry_run(request)
    return answer(await configuration(request).delete_stream(code, dry_run=dry_run))


async def disable_stream(request: Request) -> Response:
    """``POST /api/v1/streams/{code}/disable``."""
    return await switch_stream(request, disabled=True)


async def enable_stream(request: Request) -> Response:
    """``POST /api/v1/streams/{code}/enable``."""
    return await switch_stream(request, disabled=False)


async def switch_stream(request: Request, *, disabled: bool) -> Response:
    """Write whether a stream runs."""
    code, dry_run = stream_code(request), is_dry_run(request)
    patch = {"disabled": disabled}
    return answer(await configuration(request).patch_stream(code, patch, dry_run=dry_run))


async def restart_stream(request: Request) -> Response:
    """``POST /api/v1/streams/{code}/restart``."""
    code, dry_run = stream_code(request), is_dry_run(request)
    return answer(await configuration(request).restart_stream(code, dry_run=dry_run))


async def list_sessions(request: Request) -> Response:
    """``GET /api/v1/sessions``."""
    stream = request.query_params.get("stream")
    sessions = control(request).sessions(stream)
    return answer(SessionList(sessions=sessions, count=len(sessions), time=rfc3339()))


async def get_session(request: Request) -> Response:
    """``GET /api/v1/sessions/{id}``."""
    return answer(control(request).session(request.path_params["id"]))


async def kick_session(request: Request) -> Response:
    """``DELETE /api/v1/sessions/{id}``."""
    return answer(control(request).kick(request.path_params["id"], KICKED))


async def list_plugins(request: Request) -> Response:
    """``GET /api/v1/plugins``."""
    plugins = control(request).plugins()
    return answer(PluginList(plugins=plugins, count=len(plugins), time=rfc3339()))


DRY_RUN = Parameter("dry_run", "answer the plan and change nothing", choices=("0", "1"))
IF_MATCH = Parameter("If-Match", "the ETag of the configuration that is changed", "header")
NEW = Parameter("new", "only add a stream, take no other's place", choices=("0", "1"))
INVALID = "not valid, as the same table in a file would be"
CHANGED = "the file was changed since the server read it"
NO_STREAM = {404: "no stream has this code"}
NO_SESSION = {404: "the session is unknown or has ended"}

OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/streams",
        "List streams",
        list_streams,
        StreamList,
        parameters=(Parameter("status", "only streams in this state", choices=STATES),),
        errors={400: "no such state"},
    ),
    Operation(
        "GET",
        "/api/v1/streams/{code}",
        "Show a stream",
        get_stream,
        StreamStatus,
        errors=NO_STREAM,
    ),
    Operation(
        "GET",
        "/api/v1/streams/{code}/pushes",
        "List the destinations that a stream is sent to",
        list_pushes,
        PushList,
        errors=NO_STREAM,
    ),
    Operation(
        "PUT",
        "/api/v1/streams/{code}",
        "Add or replace a stream",
        put_stream,
        Plan,
        parameters=(DRY_RUN, NEW, IF_MATCH),
        body="the keys of a `[streams.CODE]` table",
        errors={
            400: INVALID,
            409: f"{CHANGED}, is not of that ETag, or has such a stream",
            413: "too large",
        },
    ),
    Operation(
        "PATCH",
        "/api/v1/streams/{code}",
        "Change keys of a stream",
        patch_stream,
        Plan,
        parameters=(DRY_RUN,),
        body="some keys of a `[streams.CODE]` table; null removes one, tables are merged",
        errors={**NO_STREAM, 400: INVALID, 409: CHANGED, 413: "too large"},
    ),
    Operation(
        "DELETE",
        "/api/v1/streams/{code}",
        "Remove a stream",
        delete_stream,
        Plan,
        parameters=(DRY_RUN,),
        errors={**NO_STREAM, 409: CHANGED},
    ),
    *(
        Operation(
            "POST",
            f"/api/v1/streams/{{code}}/{word}",
            summary,
            handler,
            Plan,
            parameters=(DRY_RUN,),
            errors={**NO_STREAM, 409: meaning},
        )
        for word, summary, handler, meaning in (
            ("disable", "Stop a stream and keep its table", disable_stream, CHANGED),
            ("enable", "Run a disabled stream again", enable_stream, CHANGED),
            ("restart", "Start a stream anew", restart_stream, "the stream is disabled"),
        )
    ),
    Operation(
        "GET",
        "/api/v1/sessions",
        "List open sessions",
        list_sessions,
        SessionList,
        parameters=(Parameter("stream", "only sessions of the stream with this code"),),
    ),
    Operation(
        "GET",
        "/api/v1/sessions/{id}",
        "Show a session",
        get_session,
        SessionStatus,
        errors=NO_SESSION,
    ),
    Operation(
        "DELETE",
        "/api/v1/sessions/{id}",
        "Kick a session",
        kick_session,
        SessionStatus,
        errors=NO_SESSION,
    ),
    Operation("GET", "/api/v1/plugins", "List installed plugins", list_plugins, PluginList),
)
