from __future__ import annotations

import json

import pytest
from starlette.requests import Request

from streamctl.api.problem import on_streamctl_error
from streamctl.errors import (
    ConfigError,
    ConnectionFailed,
    NotFound,
    NotReady,
    StreamctlError,
    UnknownScheme,
)

REQUEST = Request(
    {"type": "http", "method": "GET", "path": "/x", "headers": [], "query_string": b""}
)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (NotFound("gone"), 404, "not_found"),
        (ConfigError("bad", key="inputs"), 400, "invalid_config"),
        (UnknownScheme("what"), 400, "unsupported"),
        (NotReady("soon"), 503, "not_ready"),
        (ConnectionFailed("down"), 500, "failed"),
        (StreamctlError("oops"), 500, "failed"),
    ],
)
def test_errors_become_statuses(error: StreamctlError, status: int, name: str) -> None:
    response = on_streamctl_error(REQUEST, error)
    assert response.status_code == status
    body = json.loads(bytes(response.body))
    assert body["error"] == name
    assert body["message"] == str(error)
