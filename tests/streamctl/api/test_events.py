from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.api import events
from streamctl.api.events import EventStream, OpenStreams, encode
from streamctl.schema import Event
from tests.support.control import TIME, FakeControl
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import Message

    from tests.support.asgi import AppClient

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


class Listener:
    """The client's side of an event stream: what it got, and whether it has left."""

    def __init__(self) -> None:
        self.text = ""
        self.writes = 0
        self.complete = False
        self.left = anyio.Event()
        self.stalled = False
        self.got = anyio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.stalled:
            await anyio.sleep_forever()
        if message["type"] == "http.response.body":
            self.text += message["body"].decode()
            self.writes += 1
            self.complete = not message["more_body"]
        self.got.set()
        self.got = anyio.Event()

    async def until(self, text: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            while text not in self.text:
                await self.got.wait()


def test_an_event_is_one_block_of_lines() -> None:
    event = Event(id=7, type="stream.started", stream="news", time=TIME, payload={"a": "b\nc"})
    lines = encode(event).decode().split("\n")
    assert lines[:2] == ["id: 7", "event: stream.started"]
    assert Event.model_validate_json(lines[2].removeprefix("data: ")) == event
    assert lines[3:] == ["", ""]


@pytest.mark.anyio
async def test_kept_events_come_first_then_new_ones() -> None:
    control, listener, streams = FakeControl(), Listener(), OpenStreams()
    async with anyio.create_task_group() as tasks:
        stream = EventStream(control.events(1), streams, 1)
        tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
        await listener.until("id: 3")
        assert streams.count == 1
        assert listener.text.startswith("retry: 2000\nid: 1\n\nid: 2\n")
        control.more_events.set()
        await listener.until("session.closed")
        listener.left.set()
    assert streams.count == 0


@pytest.mark.anyio
async def test_silence_is_filled_with_comments() -> None:
    listener, streams = Listener(), OpenStreams()
    streams.keep_alive_s = 0.001
    async with anyio.create_task_group() as tasks:
        stream = EventStream(FakeControl().events(None), streams, 0)
        tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
        await listener.until(": keep-alive\nid: 0\n\n: keep-alive\nid: 0\n\n")
        listener.left.set()


@pytest.mark.anyio
async def test_who_wants_little_goes_on_where_the_server_is() -> None:
    """Else it would come back as one that has lost all that it did not ask for."""
    control, listener, streams = FakeControl(), Listener(), OpenStreams()
    streams.keep_alive_s = 0.001
    async with anyio.create_task_group() as tasks:
        stream = EventStream(control.events(0), streams, 0, lambda event: event.id == 1)
        tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
        await listener.until(": keep-alive\nid: 3\n\n")
        listener.left.set()
    assert "id: 2" not in listener.text


@pytest.mark.anyio
async def test_what_happens_at_once_is_one_write() -> None:
    control, listener, streams = FakeControl(), Listener(), OpenStreams()
    async with anyio.create_task_group() as tasks:
        stream = EventStream(control.events(0), streams, 0)
        tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
        await listener.until("id: 3")
        assert listener.writes == 2
        listener.left.set()


@pytest.mark.anyio
async def test_a_stopping_server_completes_the_answer() -> None:
    listener, streams = Listener(), OpenStreams()
    async with anyio.create_task_group() as tasks:
        stream = EventStream(FakeControl().events(None), streams, 0)
        tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
        await listener.until("retry")
        streams.stopping.set()
    assert listener.complete


@pytest.mark.anyio
async def test_a_client_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SEND_TIMEOUT_S", 0.01)
    control, listener, streams = FakeControl(), Listener(), OpenStreams()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            stream = EventStream(control.events(None), streams, 0)
            tasks.start_soon(stream, SCOPE, listener.receive, listener.send)
            await listener.until("retry")
            listener.stalled = True
            control.more_events.set()
    assert streams.count == 0


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "٣", "9" * 30])
def test_an_id_that_was_never_given_is_refused(client: AppClient, text: str) -> None:
    response = client.get("/api/v1/events", headers={"last-event-id": text.encode()})
    assert response.status_code == 400


def test_event_streams_are_bounded(client: AppClient, app: Starlette) -> None:
    app.state.event_streams.count = events.MAX_STREAMS
    assert client.get("/api/v1/events").status_code == 503


def test_a_head_request_does_not_wait_for_events(client: AppClient) -> None:
    response = client.head("/api/v1/events")
    assert response.headers["content-type"].startswith("text/event-stream")


def test_a_client_is_told_first_where_it_begins(client: AppClient) -> None:
    """Lest it loses what happens until it comes again, before it was told anything."""
    text = client.get("/api/v1/events?follow=0&since=2").text
    assert text.startswith("retry: 2000\nid: 2\n\nid: 3\n")


def asked(client: AppClient, query: str) -> list[int]:
    response = client.get(f"/api/v1/events?follow=0&{query}")
    assert response.status_code == 200
    lines = response.text.partition("\n\n")[2].split("\n")
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2, 3, 4]),
        ("since=1", [2, 3, 4]),
        ("type=input.*", [2, 4]),
        ("type=input.failed,stream.*", [1, 2, 4]),
        ("type=stream.*&type=config.*", [1, 3, 4]),
        ("stream=news", [1, 4]),
        ("stream=region/a&stream=news", [1, 2, 4]),
    ],
)
def test_a_client_chooses_and_is_told_in_any_case_what_it_lost(
    client: AppClient, server: FakeControl, query: str, ids: list[int]
) -> None:
    happened = [
        ("stream.started", "news"),
        ("input.failed", "region/a"),
        ("config.changed", ""),
        ("events.lost", ""),
    ]
    server.kept_events = [
        Event(id=number, type=kind, stream=code, time=TIME)
        for number, (kind, code) in enumerate(happened, 1)
    ]
    assert asked(client, query) == ids


@pytest.mark.parametrize("query", ["type=inputs.*", "follow=maybe", "since=x"])
def test_what_can_not_be_asked_is_refused(client: AppClient, query: str) -> None:
    assert client.get(f"/api/v1/events?{query}").status_code == 400
