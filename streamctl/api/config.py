"""The configuration: read, judge, compare, replace, read again. TOML goes in and comes out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from streamctl.api.operation import Operation
from streamctl.api.requests import (
    answer,
    configuration,
    expected_version,
    is_dry_run,
    text_body,
)
from streamctl.api.streams import DRY_RUN, IF_MATCH
from streamctl.schema import ConfigReport, Plan

if TYPE_CHECKING:
    from starlette.requests import Request

TOML = "application/toml"
TEXT = "a whole configuration; `***` stands for a secret as it is now"


async def get_config(request: Request) -> Response:
    """``GET /api/v1/config``."""
    document = await configuration(request).document()
    headers = {"etag": f'"{document.version}"'}
    return Response(document.text, headers=headers, media_type=TOML)


async def get_resolved(request: Request) -> Response:
    """``GET /api/v1/config/resolved``."""
    text = json.dumps(await configuration(request).resolved(), ensure_ascii=False)
    return Response(text, media_type="application/json")


async def put_config(request: Request) -> Response:
    """``PUT /api/v1/config``."""
    dry_run = is_dry_run(request)
    text = await text_body(request)
    plan = await configuration(request).put(
        text, expected=expected_version(request), dry_run=dry_run
    )
    return answer(plan)


async def check_config(request: Request) -> Response:
    """``POST /api/v1/config/check``."""
    return answer(await configuration(request).check(await text_body(request)))


async def diff_config(request: Request) -> Response:
    """``POST /api/v1/config/diff``."""
    return answer(await configuration(request).diff(await text_body(request)))


async def reload_config(request: Request) -> Response:
    """``POST /api/v1/config/reload``."""
    return answer(await configuration(request).reload())


OPERATIONS = (
    Operation("GET", "/api/v1/config", "The configuration as it is written", get_config, TOML),
    Operation(
        "GET",
        "/api/v1/config/resolved",
        "Everything that is in force",
        get_resolved,
        "application/json",
    ),
    Operation(
        "PUT",
        "/api/v1/config",
        "Replace the configuration",
        put_config,
        Plan,
        parameters=(DRY_RUN, IF_MATCH),
        body=TEXT,
        body_type=TOML,
        errors={
            400: "not valid, or a listener can't be opened; nothing has changed",
            409: "the file was changed, or is not of that ETag",
            413: "too large",
        },
    ),
    Operation(
        "POST",
        "/api/v1/config/check",
        "Judge a configuration",
        check_config,
        ConfigReport,
        body=TEXT,
        body_type=TOML,
        errors={413: "too large"},
    ),
    Operation(
        "POST",
        "/api/v1/config/diff",
        "What a configuration would change",
        diff_config,
        Plan,
        body=TEXT,
        body_type=TOML,
        errors={400: "not valid", 413: "too large"},
    ),
    Operation(
        "POST",
        "/api/v1/config/reload",
        "Read the file again",
        reload_config,
        Plan,
        errors={400: "not valid, or there is no file; nothing has changed"},
    ),
)
