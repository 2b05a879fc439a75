"""``streamctl status``: what a running server has on air."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streamctl.client import Client
    from streamctl.schema import StreamList, StreamStatus, TransportStatus

WATCH_S = 1.0
SWITCHES = 5
"""How many of the last switches are shown."""


def status(
    stream: Annotated[
        str,
        typer.Argument(metavar="[STREAM]", help="Only this stream, in detail.", show_default=False),
    ] = "",
    server: Server = "",
    json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again every second until Ctrl-C.")
    ] = False,
    codes: Annotated[
        bool, typer.Option("--codes", hidden=True, help="Print the codes alone, for completion.")
    ] = False,
) -> None:
    """Show the streams of a running server.

    Without STREAM there is one line per stream; with it, its causes, tracks, outputs, pushes
    and sessions. With --json and --watch there is one document per line and second.
    """
    import anyio

    from streamctl.cli.output import print_json, print_lines, print_text
    from streamctl.client import Client

    client = Client(server)
    if codes:
        print_lines([found.id for found in anyio.run(client.streams)])
    elif watch:
        anyio.run(follow, client, stream, json)
    elif json:
        print_json(anyio.run(look, client, stream))
    else:
        print_text(*render(anyio.run(look, client, stream), client.host))


async def follow(client: Client, code: str, json: bool) -> None:
    """A look every second; a server that is away for a while is waited for."""
    import anyio
    from rich.console import Group
    from rich.live import Live

    from streamctl.cli.output import console, print_json, writing
    from streamctl.errors import ConnectionFailed

    found = await look(client, code)
    if json:
        while True:
            print_json(found, compact=True)
            await anyio.sleep(WATCH_S)
            found = await look(client, code)
    screen = Live(Group(*render(found, client.host)), console=console(), auto_refresh=False)
    with writing(), screen as live:
        while True:
            await anyio.sleep(WATCH_S)
            with suppress(ConnectionFailed):
                found = await look(client, code)
                live.update(Group(*render(found, client.host)), refresh=True)


async def look(client: Client, code: str) -> StreamStatus | StreamList:
    """One stream, or all."""
    return await client.stream(code) if code else await client.stream_list()


def render(found: StreamStatus | StreamList, host: str) -> list[RenderableType]:
    """What to print; ``host`` is where the server is."""
    from streamctl.cli import tables
    from streamctl.schema import StreamList

    if isinstance(found, StreamList):
        table = tables.streams(found.streams) if found.streams else "no streams"
        return [*found.faults, *([""] if found.faults else []), table]
    parts: list[RenderableType] = [tables.streams([found])]
    if found.runtime:
        parts.append(f"made of template {found.template}, and in no file")
    parts += [f"{cause.name}: {cause.detail} (since {cause.since})" for cause in found.causes]
    parts += [f"{name}: {text}" for name, text in found.media.notes.items()]
    parts += [fault for one in found.inputs if one.transport for fault in faults(one.transport)]
    if len(found.inputs) > 1:
        parts += ["", tables.inputs(found.inputs)]
        if found.switches:
            parts += ["", tables.switches(found.switches[:SWITCHES])]
    if found.media.tracks:
        parts += ["", tables.tracks(found.media.tracks)]
    if found.outputs:
        rows = [
            (one.kind, str(one.viewers), one.url.replace("//HOST", f"//{host}"))
            for one in found.outputs
        ]
        parts += ["", tables.table(("OUTPUT", "VIEWERS", "URL"), rows, right=("VIEWERS",))]
    if found.pushes:
        parts += ["", tables.pushes(found.pushes)]
    if found.sessions:
        parts += ["", tables.sessions(found.sessions)]
    return parts


def faults(transport: TransportStatus) -> list[str]:
    """What is wrong with an input of MPEG-TS, and which streams of it can't be read."""
    counts = {
        "PCR jumps": transport.clock_jumps,
        "PCR gaps": transport.clock_gaps,
        "units without PTS": transport.untimed_units,
        **transport.faults,
    }
    found = [f"input: {name}: {count}" for name, count in counts.items() if count]
    for stream in transport.streams:
        reasons = [stream.left_out] if stream.left_out else []
        if stream.scrambled_packets:
            reasons.append(f"{stream.scrambled_packets} of {stream.packets} packets scrambled")
        if reasons:
            found.append(f"input: {stream.kind} (PID {stream.pid}): {', '.join(reasons)}")
    return found
