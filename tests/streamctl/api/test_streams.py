from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.api.streams import KICKED
from tests.support.control import push, stream

if TYPE_CHECKING:
    from tests.support.asgi import AppClient
    from tests.support.control import FakeControl


def test_streams_are_listed_with_count_and_time(client: AppClient) -> None:
    body = client.get("/api/v1/streams").json()
    assert [stream["id"] for stream in body["streams"]] == ["news", "region/a", "sport"]
    assert body["count"] == 3
    assert body["time"]


@pytest.mark.parametrize(
    ("status", "codes"), [("active", ["news"]), ("degraded", ["region/a"]), ("stopped", ["sport"])]
)
def test_streams_are_filtered_by_status(client: AppClient, status: str, codes: list[str]) -> None:
    body = client.get("/api/v1/streams", params={"status": status}).json()
    assert [stream["id"] for stream in body["streams"]] == codes


@pytest.mark.parametrize("spelling", ["region~a", "region%2Fa", "region%2fa"])
def test_a_slash_in_a_code_has_three_spellings(client: AppClient, spelling: str) -> None:
    body = client.get(f"/api/v1/streams/{spelling}").json()
    assert body["id"] == "region/a"
    assert body["causes"][0]["name"] == "no_publisher"


def test_an_unknown_code_is_named_with_a_hint(client: AppClient) -> None:
    body = client.get("/api/v1/streams/nope").json()
    assert "`nope`" in body["message"]
    assert body["hint"]


def test_put_passes_the_document_on_and_answers_the_plan(
    client: AppClient, server: FakeControl
) -> None:
    response = client.put("/api/v1/streams/region~b", json={"inputs": ["publish:"]})
    assert response.status_code == 200
    assert response.json()["steps"][0]["action"] == "start"
    assert server.configuration.changes == [("put", "region/b", {"inputs": ["publish:"]}, False)]


@pytest.mark.parametrize("flag", ["1", "true"])
def test_a_dry_run_is_passed_on(client: AppClient, server: FakeControl, flag: str) -> None:
    client.put(f"/api/v1/streams/new?dry_run={flag}", json={"inputs": ["publish:"]})
    client.delete(f"/api/v1/streams/news?dry_run={flag}")
    assert [(what, dry_run) for what, _, _, dry_run in server.configuration.changes] == [
        ("put", True),
        ("delete", True),
    ]


def test_a_refused_document_names_key_and_remedy(client: AppClient) -> None:
    response = client.put("/api/v1/streams/new", json={"title": "x"})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_config"
    assert "inputs" in response.json()["message"]
    assert response.json()["hint"] == "add `inputs`"


def test_delete_answers_the_plan(client: AppClient, server: FakeControl) -> None:
    response = client.delete("/api/v1/streams/news")
    assert response.json()["steps"][0]["action"] == "stop"
    assert server.configuration.changes == [("delete", "news", {}, False)]


def test_sessions_are_listed_for_all_streams_or_one(client: AppClient) -> None:
    assert client.get("/api/v1/sessions").json()["count"] == 3
    body = client.get("/api/v1/sessions", params={"stream": "region/a"}).json()
    assert [session["id"] for session in body["sessions"]] == ["s3"]


def test_a_session_is_shown(client: AppClient) -> None:
    assert client.get("/api/v1/sessions/s2").json()["bytes_out"] == 7_000_000


def test_delete_kicks_a_session_once(client: AppClient, server: FakeControl) -> None:
    assert client.delete("/api/v1/sessions/s1").json()["id"] == "s1"
    assert server.kicked == [("s1", KICKED)]
    assert client.delete("/api/v1/sessions/s1").status_code == 404


def test_plugins_are_listed(client: AppClient) -> None:
    body = client.get("/api/v1/plugins").json()
    assert body["count"] == 1
    assert body["plugins"][0]["kind"] == "rtmp"


def test_the_pushes_of_a_stream_are_listed(client: AppClient, server: FakeControl) -> None:
    server.all_streams["news"] = stream("news", pushes=[push("fb", "failed"), push("yt")])
    body = client.get("/api/v1/streams/news/pushes").json()
    assert [(one["name"], one["state"]) for one in body["pushes"]] == [
        ("fb", "failed"),
        ("yt", "active"),
    ]
    assert body["count"] == 2
    assert body["time"]
    assert client.get("/api/v1/streams/region~a/pushes").json()["pushes"] == []
    assert client.get("/api/v1/streams/nope/pushes").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "change"),
    [
        ("PATCH", "region~a", {"title": None}, ("patch", "region/a", {"title": None}, False)),
        ("PATCH", "news?dry_run=1", {"title": "N"}, ("patch", "news", {"title": "N"}, True)),
        ("POST", "news/disable", None, ("patch", "news", {"disabled": True}, False)),
        ("POST", "region~a/enable", None, ("patch", "region/a", {"disabled": False}, False)),
        ("POST", "news/restart?dry_run=1", None, ("restart", "news", {}, True)),
    ],
)
def test_a_stream_is_changed_key_by_key(
    client: AppClient,
    server: FakeControl,
    method: str,
    path: str,
    body: dict[str, object] | None,
    change: tuple[object, ...],
) -> None:
    response = client.request(method, f"/api/v1/streams/{path}", json=body)
    assert response.status_code == 200
    assert server.configuration.changes == [change]


@pytest.mark.parametrize(
    ("path", "etag", "status"),
    [
        ("news?new=1", "", 409),
        ("other?new=1", "", 200),
        ("news", '"v0"', 409),
        ("news", '"v1"', 200),
        ("news", 'W/"v1"', 200),
        ("news", "*", 200),
    ],
)
def test_a_stream_takes_the_place_of_what_was_seen(
    client: AppClient, path: str, etag: str, status: int
) -> None:
    headers = {"if-match": etag} if etag else {}
    response = client.put(f"/api/v1/streams/{path}", json={"inputs": ["publish:"]}, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize("word", ["disable", "enable", "restart"])
def test_a_stream_that_is_not_there_can_not_be_switched(client: AppClient, word: str) -> None:
    response = client.request("POST", f"/api/v1/streams/nothing/{word}")
    assert response.status_code == 404
