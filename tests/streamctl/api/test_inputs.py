from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.asgi import AppClient
    from tests.support.control import FakeControl


def test_inputs_are_listed_with_the_history(client: AppClient, server: FakeControl) -> None:
    body = client.get("/api/v1/streams/news/inputs").json()
    assert body["count"] == len(body["inputs"]) == len(server.all_streams["news"].inputs)
    assert body["switches"] == []


@pytest.mark.parametrize("priority", [0, None])
def test_a_switch_is_passed_on(
    client: AppClient, server: FakeControl, priority: int | None
) -> None:
    response = client.post("/api/v1/streams/news/switch", json={"priority": priority})
    assert response.status_code == 200
    assert response.json()["inputs"]
    assert server.switched == [("news", priority)]


@pytest.mark.parametrize(
    "body",
    [{}, {"priority": "1"}, {"priority": True}, {"priority": 1, "more": 2}, {"priority": 1.5}],
)
def test_any_other_body_is_refused(
    client: AppClient, server: FakeControl, body: dict[str, object]
) -> None:
    response = client.post("/api/v1/streams/news/switch", json=body)
    assert response.status_code == 400
    assert "`priority`" in response.json()["message"]
    assert server.switched == []


@pytest.mark.parametrize("path", ["news/switch", "nope/switch"])
def test_what_is_unknown_is_not_found(client: AppClient, path: str) -> None:
    response = client.post(f"/api/v1/streams/{path}", json={"priority": 77})
    assert response.status_code == 404
