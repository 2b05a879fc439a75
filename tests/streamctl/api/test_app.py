from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.api.app import OPERATIONS, build_app
from streamctl.config.model import ApiConfig
from streamctl.schema import Problem
from tests.support.asgi import AppClient

if TYPE_CHECKING:
    from tests.support.control import FakeControl

TOKENS = ApiConfig.model_validate(
    {
        "tokens": [
            {"name": "eyes", "value": "read-secret", "scope": "read"},
            {"name": "ops", "value": "control-secret", "scope": "control"},
        ]
    }
)


@pytest.fixture
def locked(server: FakeControl) -> AppClient:
    return AppClient(build_app(server, TOKENS), host="stream.example:9997")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/api/v1/streams/", 404, "not_found"),
        ("GET", "/api/v1/streams/region/a", 404, "not_found"),
        ("GET", "/api/v1/streams/nope", 404, "not_found"),
        ("GET", "/api/v1/sessions/nope", 404, "not_found"),
        ("DELETE", "/api/v1/sessions/nope", 404, "not_found"),
        ("POST", "/api/v1/streams/news", 405, "method_not_allowed"),
        ("PUT", "/health", 405, "method_not_allowed"),
        ("GET", "/api/v1/streams?status=asleep", 400, "bad_request"),
        ("DELETE", "/api/v1/streams/news?dry_run=perhaps", 400, "bad_request"),
    ],
)
def test_every_error_has_the_same_shape(
    client: AppClient, method: str, path: str, status: int, error: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    problem = Problem.model_validate(response.json())
    assert problem.error == error
    assert problem.message
    assert problem.time.endswith("Z")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("DELETE", "/api/v1/streams/news?dryrun=1", "`dryrun`; did you mean `dry_run`?"),
        ("PUT", "/api/v1/streams/news?DRY_RUN=1", "`DRY_RUN`; valid: `dry_run`, `new`"),
        ("POST", "/api/v1/config/reload?dry_run=1", "`dry_run`; it takes none"),
        ("DELETE", "/api/v1/sessions/s1?dry_run=1", "`dry_run`; it takes none"),
    ],
)
def test_a_change_with_an_unknown_parameter_is_refused(
    client: AppClient, server: FakeControl, method: str, path: str, said: str
) -> None:
    """It may have meant a dry run."""
    response = client.request(method, path, json={"inputs": ["publish:"]})
    assert response.status_code == 400
    assert response.json()["message"] == f"no such parameter: {said}"
    assert (server.configuration.changes, server.kicked) == ([], [])
    assert client.get("/api/v1/streams?_=1").status_code == 200


def test_a_code_with_slashes_is_told_how_to_be_written(client: AppClient) -> None:
    hint = "GET /openapi.json lists every path"
    assert client.get("/nope").json()["hint"] == hint
    more = ", in which `/` in the code of a stream is written `~`"
    assert client.get("/api/v1/streams/region/a").json()["hint"] == hint + more


def test_a_crash_answers_a_problem_without_its_inside(
    client: AppClient, server: FakeControl
) -> None:
    server.crash = RuntimeError("secret detail")
    response = client.get("/api/v1/streams")
    assert response.status_code == 500
    assert Problem.model_validate(response.json()).error == "internal"
    assert "secret" not in response.text


def test_method_not_allowed_names_the_methods(client: AppClient) -> None:
    assert "GET" in client.post("/health").headers["allow"]


def test_every_answer_is_private_to_its_reader(client: AppClient) -> None:
    for path in ("/", "/health", "/nope", "/metrics"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_with_tokens_only_probes_and_the_page_are_open(locked: AppClient) -> None:
    described = {operation.path for operation in OPERATIONS if operation.method == "GET"}
    for path in {*described, "/openapi.json", "/"}:
        # The endless answer would never return to a client that does get in.
        url = path.replace("{code}", "news").replace("{id}", "s1")
        expected = 200 if path in ("/", "/live", "/ready") else 401
        assert locked.get(url).status_code == expected, path


def test_a_missing_token_is_challenged(locked: AppClient) -> None:
    response = locked.get("/api/v1/streams", headers=bearer("wrong"))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_read_token_reads_and_may_not_control(locked: AppClient, server: FakeControl) -> None:
    assert locked.get("/api/v1/streams", headers=bearer("read-secret")).status_code == 200
    assert locked.delete("/api/v1/sessions/s1", headers=bearer("read-secret")).status_code == 403
    assert server.kicked == []


def test_a_control_token_controls_under_any_host(locked: AppClient, server: FakeControl) -> None:
    response = locked.delete("/api/v1/sessions/s1", headers=bearer("control-secret"))
    assert response.status_code == 200
    assert [kicked for kicked, _ in server.kicked] == ["s1"]


def test_no_answer_holds_a_token(locked: AppClient) -> None:
    for path in ("/", "/openapi.json", "/health", "/metrics", "/api/v1/streams"):
        text = locked.get(path, headers=bearer("read-secret")).text
        assert "read-secret" not in text
        assert "control-secret" not in text


def test_refused_calls_are_counted(locked: AppClient) -> None:
    for _ in range(3):
        locked.get("/metrics")
    text = locked.get("/metrics", headers=bearer("read-secret")).text
    assert 'streamctl_api_refused_total{status="401"} 3.0' in text
