"""Follows the events of a server over the control API, for the commands; blocks.

Specification: WHATWG HTML, section 9.2 (server-sent events), as far as our server uses it.
"""

from __future__ import annotations

import http.client
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import ValidationError

from streamctl.schema import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamctl.client import Client

PATH = "/api/v1/events"
SILENCE_S = 45.0
"""The server says something every 15 s."""
MAX_LINE_BYTES = 16_777_216
"""An event with the plan of a change of ten thousand streams; more is not our server."""
Query = list[tuple[str, str]]


def query(streams: Sequence[str], types: Sequence[str], *, live: bool) -> Query:
    """What to ask for."""
    found = [("stream", code) for code in streams] + [("type", pattern) for pattern in types]
    return found if live else [*found, ("follow", "0")]


class Place:
    """Where a follower is."""

    def __init__(self, since: int | None) -> None:
        self.since = since
        """The id of the event that it had last; None = it begins with what happens next."""


def follow(client: Client, asked: Query, place: Place) -> Iterator[Event]:
    """Events until the server, or the connection to it, ends; they move the place.

    Raises:
        ConnectionFailed: the server can't be reached, or wants a token.
        StreamctlError: it refuses what is asked.
        RemoteProtocolError: it is not streamctl.
    """
    after = [] if place.since is None else [("since", str(place.since))]
    path = f"{client.prefix}{PATH}?{urlencode([*asked, *after])}"
    client.timeout_s, before = SILENCE_S, client.timeout_s
    connection = client.connection()
    client.timeout_s = before
    headers = {"Accept": "text/event-stream, application/json"}
    if client.token:
        headers["Authorization"] = f"Bearer {client.token}"
    try:
        answer = opened(client, connection, path, headers)
        with suppress(OSError, http.client.HTTPException):
            for number, data in blocks(lines(answer)):
                place.since = place.since if number is None else number
                if data:
                    yield read(client, data)
    finally:
        connection.close()


def opened(
    client: Client, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> http.client.HTTPResponse:
    """The head of the endless answer.

    Raises:
        StreamctlError: as :func:`follow` does.
    """
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise client.refusal(answer.status, answer.read(MAX_LINE_BYTES))
    except TimeoutError:
        raise client.unreachable(f"no answer within {SILENCE_S:g} s") from None
    except http.client.HTTPException:
        raise client.stranger() from None
    except OSError as error:
        raise client.unreachable(error) from None
    if not answer.headers.get_content_type() == "text/event-stream":
        raise client.stranger()
    return answer


def lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of an answer, without their ends."""
    while line := answer.readline(MAX_LINE_BYTES):
        yield line.rstrip(b"\r\n")


def read(client: Client, data: bytes) -> Event:
    """One event.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        return Event.model_validate_json(data)
    except ValidationError:
        raise client.stranger() from None


def blocks(lines: Iterable[bytes]) -> Iterator[tuple[int | None, bytes]]:
    """The id and the data of each block; without data it tells the place alone."""
    data: list[bytes] = []
    number: int | None = None
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"id" and value.isdigit():
            number = int(value)
        elif not line and (data or number is not None):
            yield number, b"\n".join(data)
            data, number = [], None
