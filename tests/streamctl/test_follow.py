from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from streamctl.client import Client
from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl.follow import Place, blocks, follow, query
from streamctl.schema import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[Client, list[bytes]]]:
    """A client of something that gives one answer and closes."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                requests.append(connection.recv(65_536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Client(f"http://127.0.0.1:{listening.getsockname()[1]}/x", "t0k3n"), requests
        thread.join(5)


def told(number: int) -> bytes:
    event = Event(id=number, type="x", time="")
    return f"id: {number}\nevent: x\ndata: {event.model_dump_json()}\n\n".encode()


def test_data_of_several_lines_is_put_together() -> None:
    lines = [b"retry: 1", b"", b": hello", b"data: a", b"data:b", b"", b"data: c"]
    assert list(blocks(lines)) == [(None, b"a\nb")]


def test_a_place_is_told_without_an_event() -> None:
    lines = [b"retry: 1", b"id: 7", b"", b"id: x", b"data: a", b"", b": b", b""]
    assert list(blocks(lines)) == [(7, b""), (None, b"a")]


def test_events_are_read_until_the_connection_ends() -> None:
    with answering(HEAD + b"retry: 2000\n\n" + told(1) + b": keep-alive\n\n" + told(2)) as (
        client,
        requests,
    ):
        place = Place(7)
        found = list(follow(client, query(["a/b"], ["input.*"], live=True), place))
    assert place.since == 2
    assert [event.id for event in found] == [1, 2]
    [request] = requests
    assert request.startswith(b"GET /x/api/v1/events?stream=a%2Fb&type=input.%2A&since=7 HTTP/1.1")
    assert b"Authorization: Bearer t0k3n" in request


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", RemoteProtocolError),
        (HEAD + b"data: {}\n\n", RemoteProtocolError),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", RemoteProtocolError),
        (
            b'HTTP/1.1 401 No\r\n\r\n{"error":"unauthorized","message":"no","time":""}',
            ConnectionFailed,
        ),
        (
            b'HTTP/1.1 503 No\r\n\r\n{"error":"unavailable","message":"full","time":""}',
            StreamctlError,
        ),
    ],
)
def test_anything_else_is_an_error(answer: bytes, error: type[Exception]) -> None:
    with answering(answer) as (client, _), pytest.raises(error):
        list(follow(client, [], Place(None)))


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(ConnectionFailed):
        list(follow(Client("http://127.0.0.1:1"), [], Place(None)))
