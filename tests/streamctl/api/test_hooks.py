from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.asgi import AppClient


def test_hooks_are_listed(client: AppClient) -> None:
    found = client.get("/api/v1/hooks").json()
    assert found["count"] == 2
    assert [one["name"] for one in found["hooks"]] == ["alarm", "news.on_down"]
    assert found["hooks"][0]["dropped"] == 1


def test_a_hook_is_tried(client: AppClient) -> None:
    found = client.post("/api/v1/hooks/alarm/test").json()
    assert (found["ok"], found["detail"]) == (False, "refused")
    assert client.post("/api/v1/hooks/news.on_down/test").json()["ok"]


def test_a_hook_that_is_not_there_is_not_tried(client: AppClient) -> None:
    assert (
        client.post("/api/v1/hooks/a~b.on_play/test").json()["message"] == "no hook `a/b.on_play`"
    )
