"""``streamctl stream``: add, change, remove and restart streams of a running server."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.schema import Plan

Action = Literal["add", "set", "remove", "disable", "enable", "restart"]


def stream(
    action: Annotated[
        Action,
        typer.Argument(metavar="add|set|remove|disable|enable|restart", help="What to do."),
    ],
    code: Annotated[str, typer.Argument(metavar="STREAM", help="The code of the stream.")],
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE…]",
            help="Keys as in the file, such as `title=News` or `hls.window=6`; `KEY=` removes one.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    server: Server = "",
    json: Json = False,
) -> None:
    """Add, change, remove or restart a stream of a running server.

    The change is written into the server's file, which keeps its comments and its order, and is
    refused when the file was changed since the server read it. A value is TOML, or else a text:
    `streamctl stream add cam 'inputs=["rtsp://192.0.2.7/1"]' title=Camera`.
    """
    import anyio

    from streamctl.cli import plans

    patch = read(keys or [])
    check(action, patch)
    plans.show(anyio.run(change, action, code, patch, dry_run, server), json=json)


def check(action: Action, patch: dict[str, Any]) -> None:
    """Refuse keys where they mean nothing, and none where they mean everything.

    Raises:
        ConfigError: there are too many, or too few.
    """
    from streamctl.errors import ConfigError

    if patch and action not in ("add", "set"):
        raise ConfigError(f"`{action}` takes no keys", hint="`stream set` changes them")
    if action == "set" and not patch:
        raise ConfigError("`set` takes keys", hint="such as `title=News`")


async def change(
    action: Action, code: str, patch: dict[str, Any], dry_run: bool, server: str
) -> Plan:
    """Ask the server for the change."""
    from streamctl.client import CHANGE_TIMEOUT_S, Client

    client = Client(server, timeout_s=CHANGE_TIMEOUT_S)
    if action == "add":
        return await client.add_stream(code, patch, dry_run=dry_run)
    if action == "set":
        return await client.change_stream("PATCH", code, body=patch, dry_run=dry_run)
    if action == "remove":
        return await client.change_stream("DELETE", code, dry_run=dry_run)
    return await client.change_stream("POST", code, do=action, dry_run=dry_run)


def read(words: Sequence[str]) -> dict[str, Any]:
    """Keys and values as a table; None where a key shall go.

    Raises:
        ConfigError: a word is none of that.
    """
    from streamctl.errors import ConfigError

    table: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not all(name.split(".")):
            raise ConfigError(f"not a key with a value: `{word}`", hint="write `title=News`")
        *path, last = name.split(".")
        below = table
        for part in path:
            below = below.setdefault(part, {})
            if not isinstance(below, dict):
                raise ConfigError(f"`{name}` is below a key that has a value of its own: `{part}`")
        below[last] = value(text) if text else None
    return table


def value(text: str) -> Any:
    """A value in TOML; what is none is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
