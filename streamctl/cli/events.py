"""``streamctl events``: watch what happens on a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.client import Client
    from streamctl.schema import Event

RETRY_S = 2.0
LAST_RETRY_S = 30.0
"""Pauses before the server is tried again; they double."""


def events(
    stream: Annotated[
        list[str] | None, typer.Option(metavar="STREAM", help="Of this stream; may be repeated.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="PATTERN", help="Such as `input.*`; may be repeated."),
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(min=0, metavar="ID", help="What happened after this event; 0 = all kept."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for what happens next.")
    ] = True,
    server: Server = "",
    json: Json = False,
) -> None:
    """Show what happens: inputs that fail, viewers that come, configurations that change.

    Each event is a line; with `--json` a line of JSON. After the server was gone it goes on with
    the next event. Where some were lost, since they were too many or too long ago, `events.lost`
    says how many.
    """
    from streamctl.cli.output import print_json, print_lines
    from streamctl.client import Client

    for event in followed(Client(server), stream or [], type_ or [], since, live=follow):
        if json:
            print_json(event, compact=True)
        else:
            print_lines([line(event)])


def followed(
    client: Client, streams: list[str], types: list[str], since: int | None, *, live: bool
) -> Iterator[Event]:
    """Events, over as many connections as it takes.

    Raises:
        StreamctlError: there was no first connection, or the server refuses what is asked.
    """
    from streamctl import follow
    from streamctl.cli import diagnostics
    from streamctl.errors import ConnectionFailed

    asked, place = follow.query(streams, types, live=live), follow.Place(since)
    connected = told = False
    pause_s = RETRY_S
    while True:
        try:
            for event in follow.follow(client, asked, place):
                connected, told, pause_s = True, False, RETRY_S
                yield event
            connected = True
        except ConnectionFailed as error:
            if error.permanent or not connected:
                raise
        if not live:
            return
        if not told:
            diagnostics.note(f"`{client.url}` is gone: waiting for it")
        told = True
        wait(pause_s)
        pause_s = min(pause_s * 2, LAST_RETRY_S)


def wait(seconds: float) -> None:
    """Let time pass."""
    import time

    time.sleep(seconds)


def line(event: Event) -> str:
    """One event for people."""
    said = " ".join(f"{key}={shown(value)}" for key, value in event.payload.items())
    return f"{event.time}  {event.stream or '-':<16}  {event.type:<18}  {said}".rstrip()


def shown(value: object) -> str:
    """A value of a payload; what could be taken for something else, or acts, is quoted."""
    import json

    plain = isinstance(value, str) and value.isprintable() and not set(value) & set(" \"'=")
    if plain and value:
        return str(value)
    return json.dumps(value)
