from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConfigError, ConfigErrors, Conflict, Unsupported

if TYPE_CHECKING:
    from tests.support.asgi import AppClient
    from tests.support.control import FakeControl

TOML = {"content-type": "application/toml"}
TEXT = '[streams.a]\ninputs = ["publish:"]\n'


def test_the_text_comes_out_with_its_version(client: AppClient) -> None:
    response = client.get("/api/v1/config")
    assert response.headers["content-type"].startswith("application/toml")
    assert response.headers["etag"] == '"v1"'
    assert response.text.startswith("[streams.news]")


def test_what_is_in_force_comes_as_json(client: AppClient) -> None:
    response = client.get("/api/v1/config/resolved")
    assert response.json()["streams"]["news"]["inputs"] == [{"url": "publish:"}]


@pytest.mark.parametrize(("query", "dry_run"), [("", False), ("?dry_run=1", True)])
def test_another_text_goes_in(
    client: AppClient, server: FakeControl, query: str, dry_run: bool
) -> None:
    response = client.request(
        "PUT", f"/api/v1/config{query}", content=TEXT, headers={**TOML, "if-match": '"v1"'}
    )
    assert response.json()["steps"][0]["stream"] == "news"
    assert server.configuration.changes == [("config", "news", {"text": TEXT}, dry_run)]


@pytest.mark.parametrize(("etag", "status"), [('"v0"', 409), ('"v1"', 200), ("*", 200)])
def test_a_text_replaces_what_was_seen(client: AppClient, etag: str, status: int) -> None:
    headers = {**TOML, "if-match": etag}
    response = client.request("PUT", "/api/v1/config", content=TEXT, headers=headers)
    assert response.status_code == status


def test_a_text_is_judged_and_compared(client: AppClient) -> None:
    response = client.request("POST", "/api/v1/config/check", content="[streams.a]", headers=TOML)
    assert response.json()["ok"] is False
    assert response.json()["faults"][0]["message"] == "is missing"
    response = client.request("POST", "/api/v1/config/diff", content=TEXT, headers=TOML)
    assert response.json()["steps"][0]["reason"] == "diff"


def test_what_is_not_text_is_refused(client: AppClient) -> None:
    response = client.request("PUT", "/api/v1/config", content=b"\xff", headers=TOML)
    assert (response.status_code, response.json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (ConfigError("unknown key", key="x"), 400, "invalid_config"),
        (Unsupported("the server runs without a file"), 400, "unsupported"),
        (Conflict("`x` was changed"), 409, "conflict"),
    ],
)
def test_refusals_have_their_status(
    client: AppClient, server: FakeControl, error: Exception, status: int, name: str
) -> None:
    server.configuration.error = error
    response = client.request("POST", "/api/v1/config/reload")
    assert (response.status_code, response.json()["error"]) == (status, name)


def test_everything_that_is_wrong_is_named_with_its_remedy(
    client: AppClient, server: FakeControl
) -> None:
    wrong = [ConfigError(f"bad {key}", hint=f"{key}?", key=key, line=3) for key in ("x", "y")]
    server.configuration.error = ConfigErrors(wrong)
    problem = client.request("PUT", "/api/v1/config", content=TEXT, headers=TOML).json()
    assert (problem["message"], problem["hint"]) == ("line 3: x: bad x\nline 3: y: bad y", "")
    assert problem["faults"] == [
        {"message": f"bad {key}", "hint": f"{key}?", "file": "", "key": key, "line": 3}
        for key in ("x", "y")
    ]
    server.configuration.error = Conflict("`x` was changed")
    problem = client.request("PUT", "/api/v1/config", content=TEXT, headers=TOML).json()
    assert "faults" not in problem


def test_a_reload_answers_its_plan(client: AppClient) -> None:
    response = client.request("POST", "/api/v1/config/reload")
    assert response.json()["steps"][0]["reason"] == "reload"
